// The plot of a map: points by WebGL, moved and zoomed, hovered over, and chosen with a lasso.
// It asks for points of the address's own question, and a lasso is one more field of its form.

const POINT_PX = 3.2;
const NEAR_PX = 10;
const HOVER_MS = 90;
const MOST_CORNERS = 48;
const COLOURS = [..."0123456789"].concat("10", "x");

const VERTEX = `
attribute vec2 place; attribute vec3 colour;
uniform vec2 scale, shift; uniform float size; varying vec3 shade;
void main() { gl_Position = vec4(place * scale + shift, 0.0, 1.0); gl_PointSize = size; shade = colour; }`;
const FRAGMENT = `
precision mediump float; varying vec3 shade;
void main() {
  float r = length(gl_PointCoord - 0.5);
  if (r > 0.5) discard;
  float a = 0.85 * smoothstep(0.5, 0.38, r);
  gl_FragColor = vec4(shade * a, a);
}`;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);

/** The colours that the style sheet gives, by their numbers; the last is of points that have none. */
function palette(kind) {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--${kind}${name}`).trim();
  const none = named("x");
  return COLOURS.map((name) => rgb(named(name) || none));
}

/** The corners of a line that say most of it (Ramer, Douglas and Peucker), at most so many. */
export function simplified(line, most) {
  const keep = new Set([0, line.length - 1]);
  while (keep.size < most) {
    const kept = [...keep].sort((a, b) => a - b);
    let best = 0, at = -1;
    for (let k = 0; k + 1 < kept.length; k++) {
      const [a, b] = [line[kept[k]], line[kept[k + 1]]];
      const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
      const length = Math.hypot(dx, dy) || 1e-9;
      for (let i = kept[k] + 1; i < kept[k + 1]; i++) {
        const away = Math.abs((line[i][0] - a[0]) * dy - (line[i][1] - a[1]) * dx) / length;
        const far = length > 1e-9 ? away : Math.hypot(line[i][0] - a[0], line[i][1] - a[1]);
        if (far > best) [best, at] = [far, i];
      }
    }
    if (at < 0 || best < 0.002) break;
    keep.add(at);
  }
  return [...keep].sort((a, b) => a - b).map((i) => line[i]);
}

class Plot {
  constructor(root, gl, points) {
    this.root = root;
    this.gl = gl;
    this.points = points;
    this.canvas = root.querySelector("canvas");
    this.over = root.querySelector(".map-over");
    this.card = root.querySelector(".map-card");
    this.here = root.querySelector(".map-here");
    this.polygon = this.over.querySelector("polygon");
    this.corners = (this.polygon.dataset.corners || "").split(",").filter(Boolean)
      .map((corner) => corner.trim().split(" ").map(Number));
    this.view = this.seen() || { x: 0, y: 0, zoom: 1 };
    this.draws = false;
    this.prepare();
    new ResizeObserver(() => this.fit()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.paint();
      this.draw();
    });
    this.listen();
  }

  // The view, which the part of the address behind # has.

  seen() {
    const [x, y, zoom] = location.hash.slice(1).split(",").map(Number);
    return zoom >= 1 && zoom <= 200 && isFinite(x) && isFinite(y) ? { x, y, zoom } : null;
  }

  moved(x, y, zoom) {
    zoom = Math.min(Math.max(zoom, 1), 200);
    const most = 1.2;
    this.view = { x: Math.min(Math.max(x, -most), most), y: Math.min(Math.max(y, -most), most), zoom };
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      const said = [this.view.x.toFixed(3), this.view.y.toFixed(3), zoom.toFixed(2)].join(",");
      const all = zoom === 1 && !this.view.x && !this.view.y;
      history.replaceState(history.state, "", location.pathname + location.search + (all ? "" : `#${said}`));
    }, 250);
    this.draw();
  }

  get perUnit() { return (Math.min(this.width, this.height) / 2.08) * this.view.zoom; }
  toPixels(x, y) {
    return [this.width / 2 + (x - this.view.x) * this.perUnit, this.height / 2 + (y - this.view.y) * this.perUnit];
  }
  toPlace(px, py) {
    return [this.view.x + (px - this.width / 2) / this.perUnit, this.view.y + (py - this.height / 2) / this.perUnit];
  }

  // What is drawn.

  prepare() {
    const { gl, points } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    this.uniform = (name) => gl.getUniformLocation(program, name);
    const places = new Float32Array(points.n * 2);
    for (let i = 0; i < points.n; i++) places.set([points.x[i], points.y[i]], 2 * i);
    this.attribute(program, "place", places, 2);
    this.program = program;
    this.paint();
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  attribute(program, name, values, width) {
    const { gl } = this;
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, width, gl.FLOAT, false, 0, 0);
  }

  paint() {
    const colours = palette(this.points.areShades ? "s" : "g");
    const shades = new Float32Array(this.points.n * 3);
    this.points.colours.forEach((c, i) => shades.set(colours[c < 0 ? colours.length - 1 : c], 3 * i));
    this.attribute(this.program, "colour", shades, 3);
  }

  fit() {
    const ratio = devicePixelRatio || 1;
    [this.width, this.height] = [this.root.clientWidth, this.root.clientHeight];
    [this.canvas.width, this.canvas.height] = [this.width * ratio, this.height * ratio];
    this.over.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    this.draw();
  }

  draw() {
    const { gl, view } = this;
    const [sx, sy] = [(2 * this.perUnit) / this.width, (-2 * this.perUnit) / this.height];
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.uniform("scale"), sx, sy);
    gl.uniform2f(this.uniform("shift"), -view.x * sx, -view.y * sy);
    const size = POINT_PX * Math.min(1 + Math.log2(view.zoom) / 2, 3);
    gl.uniform1f(this.uniform("size"), size * (devicePixelRatio || 1));
    gl.drawArrays(gl.POINTS, 0, this.points.n);
    this.polygon.setAttribute("points", this.corners.map((c) => this.toPixels(...c).join(",")).join(" "));
    this.point(-1);
  }

  // What is pointed at.

  nearest(px, py) {
    const { points } = this;
    const [x, y] = this.toPlace(px, py);
    let best = (NEAR_PX / this.perUnit) ** 2, found = -1;
    for (let i = 0; i < points.n; i++) {
      const away = (points.x[i] - x) ** 2 + (points.y[i] - y) ** 2;
      if (away < best) [best, found] = [away, i];
    }
    return found;
  }

  point(i) {
    if (i === this.pointed) return;
    this.pointed = i;
    clearTimeout(this.hovering);
    this.card.hidden = true;
    this.here.setAttribute("visibility", i < 0 ? "hidden" : "visible");
    if (i < 0) return;
    const [px, py] = this.toPixels(this.points.x[i], this.points.y[i]);
    this.here.setAttribute("cx", px);
    this.here.setAttribute("cy", py);
    this.hovering = setTimeout(() => this.tell(i, px, py), HOVER_MS);
  }

  async tell(i, px, py) {
    const answer = await fetch(`${this.root.dataset.at}${this.points.rows[i]}?of=${this.points.of}`);
    if (!answer.ok || this.pointed !== i) return;
    this.card.innerHTML = await answer.text();
    this.card.hidden = false;
    const width = this.card.offsetWidth, height = this.card.offsetHeight;
    this.card.style.left = `${Math.min(Math.max(px + 12, 0), this.width - width - 4)}px`;
    this.card.style.top = `${py + 16 + height > this.height ? py - height - 12 : py + 16}px`;
  }

  // What is done.

  listen() {
    const { canvas } = this;
    const at = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.began = { at: at(event), view: { ...this.view }, moved: false };
      if (this.draws || event.shiftKey) this.corners = this.line = [this.toPlace(...at(event))];
    });
    canvas.addEventListener("pointermove", (event) => {
      const [px, py] = at(event);
      if (!this.began) return this.point(this.nearest(px, py));
      const [dx, dy] = [px - this.began.at[0], py - this.began.at[1]];
      this.began.moved ||= Math.hypot(dx, dy) > 4;
      if (this.line) {
        this.line.push(this.toPlace(px, py));
        this.draw();
      } else if (this.began.moved) {
        const { x, y, zoom } = this.began.view;
        this.moved(x - dx / this.perUnit, y - dy / this.perUnit, zoom);
      }
    });
    canvas.addEventListener("pointerup", (event) => this.ended(...at(event)));
    canvas.addEventListener("pointercancel", () => { this.began = this.line = null; });
    canvas.addEventListener("pointerleave", () => this.point(-1));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomed(Math.exp(-event.deltaY / 400), ...at(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.pressed(event));
  }

  ended(px, py) {
    const { began, line } = this;
    this.began = this.line = null;
    if (line && line.length > 2) return this.choose(line);
    if (!began || began.moved) return;
    const i = this.nearest(px, py);
    if (i >= 0) location.assign(`${this.root.dataset.open}${this.points.rows[i]}?of=${this.points.of}`);
  }

  zoomed(by, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toPlace(px, py);
    const zoom = Math.min(Math.max(this.view.zoom * by, 1), 200);
    const kept = this.view.zoom / zoom;
    this.moved(x + (this.view.x - x) * kept, y + (this.view.y - y) * kept, zoom);
  }

  pressed(event) {
    const step = 0.2 / this.view.zoom, { x, y, zoom } = this.view;
    const does = {
      ArrowLeft: () => this.moved(x - step, y, zoom),
      ArrowRight: () => this.moved(x + step, y, zoom),
      ArrowUp: () => this.moved(x, y - step, zoom),
      ArrowDown: () => this.moved(x, y + step, zoom),
      "+": () => this.zoomed(1.5),
      "=": () => this.zoomed(1.5),
      "-": () => this.zoomed(1 / 1.5),
      0: () => this.moved(0, 0, 1),
      Escape: () => this.drawing(false),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  drawing(draws) {
    this.draws = draws;
    this.root.classList.toggle("draws", draws);
    document.querySelector('[data-does="lasso"]').setAttribute("aria-pressed", String(draws));
  }

  /** The area becomes a field of the form, and so of the address. */
  choose(line) {
    const form = document.querySelector("#map-asks");
    const corners = simplified(line, MOST_CORNERS);
    form.elements.area.value = corners.map(([x, y]) => `${x.toFixed(3)} ${y.toFixed(3)}`).join(", ");
    form.requestSubmit();
  }
}

function begun(plot, root) {
  const tools = {
    lasso: () => plot.drawing(!plot.draws),
    in: () => plot.zoomed(1.5),
    out: () => plot.zoomed(1 / 1.5),
    all: () => plot.moved(0, 0, 1),
  };
  for (const button of document.querySelectorAll("[data-does]")) {
    button.hidden = false;
    button.addEventListener("click", tools[button.dataset.does]);
  }
  document.querySelector(".map-without").hidden = true;
  root.querySelector(".map-still").remove();
}

async function main() {
  const root = document.querySelector(".map");
  const canvas = root.querySelector("canvas");
  const gl = canvas.getContext("webgl", { premultipliedAlpha: true, antialias: true });
  if (!gl) return; // the picture stays
  const answer = await fetch(root.dataset.points + location.search);
  if (!answer.ok) return;
  const { rows, x, y, colours, are_shades: areShades } = await answer.json();
  const of = new URLSearchParams(location.search).get("of") || "documents";
  const scaled = (values) => Float32Array.from(values, (value) => value / 10000);
  canvas.hidden = false;
  root.querySelector(".map-over").removeAttribute("hidden");
  const plot = new Plot(root, gl, { n: rows.length, rows, x: scaled(x), y: scaled(y), colours, areShades, of });
  begun(plot, root);
  root.dataset.ready = "true";
}

main();
