// Shows the API's document, and sends what is tried to this server. Nothing is stored, and no cookie is sent.
"use strict";

(() => {
  const place = document.getElementById("api");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const adapt = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  adapt();
  dark.addEventListener("change", adapt);
  globalThis.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: "none",
    filter: true,
    persistAuthorization: false,
    queryConfigEnabled: false,
    validatorUrl: null,
    requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
  });
})();
