// Package dashboard is what people see of alsobought: pages made on the server, which work without script and better
// with it. It asks the packages whose subject a page is about. It never ranks, and keeps nothing but who is signed in.
//
// How a screen is added (overview.go and overview.html are the example):
//
//   - A line in screens: its path, name and place in the navigation, and the scope of a key that sees it. Scope open
//     is shown to everybody where questions need no key.
//   - A function of a *visit, in a file of the screen's name, that gathers what the page shows and calls v.show with
//     the name of the template. What it returns as an error becomes a page that says so: see trouble.
//   - templates/NAME.html, which defines "main", and whatever else it wants. The frame is layout.html, what several
//     pages share parts.html, and the functions of templates are in render.go: numbers, times, links, charts.
//   - An action is a function added by d.act with a path and a scope. It gets a form, changes something in the name of
//     v.key.Name, and ends with v.done, which leads back (303) and says what was done.
//   - A list in the URL's terms: filters and order are query parameters, so that what is seen can be shared.
//
// Script improves pages and is needed by none; app.js does it by attributes of the HTML:
//
//   - form data-live="#id": the form is sent as it changes, and the element of the id is replaced by that of the
//     answer. The URL follows.
//   - element data-part="URL": filled from the URL after the page is there, for what takes long. It holds a link to the
//     page with the same query and whole=1, for those without script. Part and page are one template: see v.whole.
//   - details data-open="URL": their last element is filled from the URL when they are first opened. It holds a link.
//   - data-again="SECONDS" inside of a part: it is not done, and is asked for again.
//   - form data-upload data-most="BYTES": takes files that are dropped on the page, and shows how much is sent.
//   - button data-copy="#id": copies the text of the element. It is hidden without script.
//
// The policy of pages forbids inline script and style: a width is an attribute of SVG (package chart), a colour a
// class. A request has Config.Timeout of the API; what takes longer runs in d.life and is asked after.
package dashboard
