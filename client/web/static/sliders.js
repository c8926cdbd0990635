// Sliders that steer a search: the weights go into the form, the answer and the address follow.
const form = document.getElementById("asking");
const sliders = [...document.querySelectorAll("input[data-feature]")];
let waiting, asking;

function steer() {
  form.elements.features.value = sliders
    .map((slider) => `${slider.dataset.feature}:${Number(slider.value)}`)
    .join(",");
  const given = [...new FormData(form)].filter(([name, value]) => value !== "" && name !== "add");
  const address = `${location.pathname}?${new URLSearchParams(given)}`;
  clearTimeout(waiting);
  waiting = setTimeout(() => show(address), 150);
}

async function show(address) {
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await fetch(address, { signal: asking.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("found");
    if (found) document.getElementById("found").replaceWith(found);
    history.replaceState(null, "", address);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  }
}

for (const slider of sliders) {
  slider.addEventListener("input", () => {
    slider.nextElementSibling.value = Number(slider.value);
    steer();
  });
}
