// Shows the API's document, or that of a contract's webhooks, and sends what is tried to this server. Nothing is stored, and no cookie
// is sent.
"use strict";

(() => {
  const one = (id) => document.getElementById(id);
  const place = one("api");

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const adapt = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  adapt();
  dark.addEventListener("change", adapt);

  // The headings of the groups are of the third level: one of the second stands before them, for those who go by headings.
  const headings = () => ({
    wrapComponents: {
      InfoContainer: (Info, { React }) => (given) => React.createElement(React.Fragment, null,
        React.createElement(Info, given), React.createElement("h2", { className: "unseen" }, "Operations")),
    },
  });

  const show = (what) => {
    const node = document.createElement("div");
    place.replaceChildren(node);
    globalThis.SwaggerUIBundle({
      ...what,
      domNode: node,
      deepLinking: true,
      displayRequestDuration: true,
      docExpansion: "none",
      plugins: [headings],
      filter: true,
      persistAuthorization: false,
      queryConfigEnabled: false,
      validatorUrl: null,
      requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
    });
  };
  show({ url: place.dataset.document });

  // The document of a contract is for who may see the contract: it takes a key.
  const webhooks = async () => {
    const answer = await fetch(`/v1/contracts/${encodeURIComponent(one("contract").value)}/openapi.json`, {
      headers: { authorization: `Bearer ${one("key").value}` },
      credentials: "omit",
    });
    const document = await answer.json();
    if (!answer.ok) throw new Error(document.detail ?? document.title);
    show({ spec: document });
  };
  one("webhooks-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    one("refused").textContent = "";
    await webhooks().catch((error) => { one("refused").textContent = error.message; });
  });
  one("webhooks").hidden = false;
})();
