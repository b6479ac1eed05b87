"use strict";

// A file of its own, so that a content security policy needs no exception for it.
const place = document.getElementById("schema");
window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  docExpansion: "list",
  persistAuthorization: false,
  validatorUrl: null,
});
