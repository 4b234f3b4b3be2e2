// What script adds to pages that work without it. See doc.go.

const page = async (url) => {
  const response = await fetch(url, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`${response.status} from ${url}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
};

// replace puts what another page has in place of an element, and keeps the keyboard's focus where it was.
const replace = (element, other) => {
  const focused = document.activeElement?.id;
  const fresh = document.adoptNode(other);
  element.replaceWith(fresh);
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
  enhance(fresh);
};

const live = (form) => {
  let newest = 0;
  let timer;
  const send = async () => {
    const mine = ++newest;
    const url = new URL(form.action);
    url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== "")).toString();
    const target = document.querySelector(form.dataset.live);
    target.setAttribute("aria-busy", "true");
    try {
      const other = await page(url);
      const fresh = other.querySelector(form.dataset.live);
      if (mine !== newest) return;
      if (!fresh) {
        location.assign(url);
        return;
      }
      replace(document.querySelector(form.dataset.live), fresh);
      history.replaceState(null, "", url);
      document.title = other.title;
    } catch {
      if (mine === newest) location.assign(url); // the page itself says what is wrong
    }
  };
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    const typing = event.target.matches("input:not([type=checkbox], [type=radio])");
    timer = setTimeout(send, typing ? 120 : 0);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    send();
  });
};

const part = async (element) => {
  const response = await fetch(new URL(element.dataset.part, location), { headers: { Accept: "text/html" } });
  if (!response.ok) return; // the link stays
  const other = new DOMParser().parseFromString(await response.text(), "text/html");
  element.replaceChildren(...other.body.childNodes);
  enhance(element);
  const again = element.querySelector("[data-again]");
  if (again) setTimeout(() => part(element), 1000 * again.dataset.again);
};

// once fills details from a URL when they are first opened.
const once = (details) => {
  details.addEventListener("toggle", async () => {
    if (!details.open || details.dataset.open === "") return;
    const url = new URL(details.dataset.open, location);
    details.dataset.open = "";
    const response = await fetch(url, { headers: { Accept: "text/html" } });
    if (!response.ok) return; // the link stays
    const other = new DOMParser().parseFromString(await response.text(), "text/html");
    details.lastElementChild.replaceChildren(...other.body.childNodes);
    enhance(details.lastElementChild);
  });
};

// upload takes files that are dropped anywhere on the page, and shows how much of them is sent.
const upload = (form) => {
  const input = form.querySelector("input[type=file]");
  const problem = form.querySelector(".problem");
  const bar = form.querySelector("progress");
  const say = (text) => { problem.textContent = text; problem.hidden = !text; };
  const send = () => {
    const bytes = [...input.files].reduce((sum, file) => sum + file.size, 0);
    if (bytes > Number(form.dataset.most)) {
      say("That is more than can be uploaded at once. Load it in a shell: alsobought load FILE");
      return;
    }
    say("");
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (event) => { bar.hidden = false; bar.value = event.loaded / event.total; });
    request.addEventListener("load", () => {
      if (request.status < 400) {
        location.assign(request.responseURL);
        return;
      }
      bar.hidden = true;
      const other = new DOMParser().parseFromString(request.responseText, "text/html");
      say(other.querySelector("main p")?.textContent || "That did not work.");
    });
    request.addEventListener("error", () => { bar.hidden = true; say("The upload was interrupted: send the files again."); });
    request.send(new FormData(form));
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  document.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    send();
  });
};

const copy = (button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
};

const enhance = (root) => {
  const each = (selector, add) => {
    if (root !== document && root.matches(selector)) add(root);
    root.querySelectorAll(selector).forEach(add);
  };
  each("form[data-live]", live);
  each("[data-part]", part);
  each("details[data-open]:not([open])", once);
  each("form[data-upload]", upload);
  each("button[data-copy]", copy);
};

document.documentElement.classList.add("scripted");
enhance(document);

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select, [popover]")) return;
  const search = document.getElementById("search");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
