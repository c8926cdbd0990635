// Stars: a list of features that this browser keeps, for each collection; lines as of the list's page.
const [, , corpus, dictionary] = location.pathname.split("/");
const key = `saelake-stars /${corpus}/${dictionary}`;
const numberOf = (line) => line.split(" ")[0];

function kept() {
  try {
    return (localStorage.getItem(key) ?? "").split("\n").filter(Boolean);
  } catch {
    return []; // a browser that keeps nothing
  }
}

function keep(lines) {
  localStorage.setItem(key, lines.join("\n"));
}

for (const star of document.querySelectorAll("[data-star]")) {
  const show = () => {
    const isKept = kept().some((line) => numberOf(line) === star.dataset.star);
    star.setAttribute("aria-pressed", isKept);
    star.textContent = isKept ? "★ Starred" : "☆ Star";
  };
  star.addEventListener("click", () => {
    const others = kept().filter((line) => numberOf(line) !== star.dataset.star);
    keep(star.getAttribute("aria-pressed") === "true" ? others : [...others, star.dataset.star]);
    show();
  });
  star.hidden = false;
  show();
}

const mine = document.querySelector("[data-keep]");
if (mine) {
  mine.hidden = false;
  mine.addEventListener("click", () => {
    keep(document.getElementById("listing").elements.items.value.split("\n").filter(Boolean));
    mine.textContent = "These are my stars";
    mine.disabled = true;
  });
}

if (document.querySelector("[data-nothing]") && !location.search && kept().length) {
  location.replace(`${location.pathname}?${new URLSearchParams({ items: kept().join("\n") })}`);
}
