// <also-bought item="...">: what customers also bought, in any page. docs/widget.md says how it is used and themed.
// What is served is widget.min.js, which `make generate` makes of this file.
(() => {
  const script = document.currentScript;

  // A style sheet that is made by script is no inline style: no policy of the page has to allow it.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
:host { display: block }
h2 { margin: 0 0 .6em; font-size: 1.25em }
ul { display: grid; gap: var(--also-bought-gap, 1em); margin: 0; padding: 0; list-style: none;
grid-template-columns: repeat(auto-fill, minmax(min(var(--also-bought-width, 9em), 100%), 1fr)) }
li { display: grid; border: var(--also-bought-border, 1px solid #8886); border-radius: var(--also-bought-radius, .5em) }
[part=card] { display: flex; flex-direction: column; gap: .4em; padding: .8em;
color: inherit; border-radius: inherit; text-decoration: none; overflow-wrap: anywhere }
a:hover [part=name] { text-decoration: underline }
a:focus-visible { outline: 2px solid var(--also-bought-accent, currentColor) }
img { width: 100%; aspect-ratio: 1; object-fit: contain }
[part=price] { margin-top: auto; font-weight: 600; color: var(--also-bought-accent, inherit) }
`);

  // Text goes into text nodes and properties only: nothing of an answer is ever read as HTML.
  const make = (tag, part, properties, ...content) => {
    const element = Object.assign(document.createElement(tag), { part }, properties);
    element.append(...content);
    return element;
  };

  class AlsoBought extends HTMLElement {
    static observedAttributes = ["item", "basket", "limit", "measure", "fill", "heading", "link", "currency", "src"];

    #root = this.attachShadow({ mode: "open" });
    #turn = 0;

    connectedCallback() {
      this.#update();
    }

    attributeChangedCallback() {
      this.#update();
    }

    async #update() {
      const turn = ++this.#turn;
      await null; // for attributes that change together
      if (turn != this.#turn || !this.isConnected) return;
      const given = Object.fromEntries([...this.attributes].map((a) => [a.name, a.value]));
      let cards = [];
      try {
        cards = (await this.#ask(given)).map((item, i) => this.#card(item, i + 1, given));
      } catch (error) {
        console.debug("also-bought:", error); // a page is no place to complain
      }
      if (turn != this.#turn) return;
      this.#root.adoptedStyleSheets = cards.length ? [sheet] : [];
      this.#root.replaceChildren(...(cards.length ? [this.#section(cards, given)] : []));
    }

    async #ask({ item, basket, limit = 4, measure = "affinity", fill, src = script.src }) {
      if (!item && !basket) return [];
      const options = { limit: +limit, measure, strict: fill == null };
      const at = (path) => new URL("api/v1/" + path, src);
      const response = await (basket
        ? fetch(at("basket-recommendations"), {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ items: JSON.parse(basket), ...options }),
          })
        : fetch(at("similar-items?" + new URLSearchParams({ item, ...options }))));
      return response.ok ? (await response.json()).recommendations : []; // an unknown item is no error of the page
    }

    #card(item, position, { link, currency }) {
      const name = item.item_name;
      const href = /^https?:/.test(item.url) ? item.url : link?.replace("{item}", encodeURIComponent(name));
      const card = make(href ? "a" : "div", "card", href && { href });
      if (item.image_url) {
        card.append(make("img", "image", { alt: "", loading: "lazy", src: item.image_url, onerror() { this.remove() } }));
      }
      card.append(make("span", "name", null, item.label || name));
      if (currency && item.price != null) {
        const format = new Intl.NumberFormat(document.documentElement.lang || [], { style: "currency", currency });
        card.append(make("span", "price", null, format.format(item.price)));
      }
      if (href) {
        const detail = { item, position };
        card.onclick = () => this.dispatchEvent(new CustomEvent("also-bought-click", { bubbles: true, composed: true, detail }));
      }
      return make("li", "item", null, card);
    }

    #section(cards, { heading = "Customers also bought" }) {
      return make("section", "section", { ariaLabel: heading },
        make("h2", "heading", null, heading), make("ul", "list", { role: "list" }, ...cards));
    }
  }
  if (!customElements.get("also-bought")) customElements.define("also-bought", AlsoBought);

  // One tag alone: the script's data attributes are those of an element that comes after it.
  const options = Object.entries(script.dataset);
  if (options.length) {
    const element = document.createElement("also-bought");
    for (const [name, value] of options) element.setAttribute(name, value);
    script.after(element);
  }
})();
