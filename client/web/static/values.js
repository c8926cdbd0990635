// Values of columns beside the field of a filter: read when opened, put into the field when chosen.
for (const chooser of document.querySelectorAll("[data-chooser]")) {
  const field = document.getElementById(chooser.dataset.chooser);
  const read = () => {
    if (!chooser.open) return;
    chooser.querySelector(".counts")?.remove(); // its filters go on from what the field said before
    chooser.querySelector(".values").dispatchEvent(new Event("opened"));
  };
  const close = (focused) => {
    chooser.open = false;
    focused?.focus();
  };
  chooser.addEventListener("toggle", read);
  field.addEventListener("change", read);
  chooser.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-filter]");
    if (!chosen) return;
    field.value = chosen.dataset.filter;
    close(field);
  });
  chooser.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close(chooser.querySelector("summary"));
  });
  document.addEventListener("pointerdown", (event) => {
    if (!chooser.parentElement.contains(event.target)) close();
  });
}
