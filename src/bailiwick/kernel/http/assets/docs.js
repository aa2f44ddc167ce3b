"use strict";

window.ui = SwaggerUIBundle({
  url: "/api/openapi.json",
  domNode: document.getElementById("docs"),
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null, // it would send the document to a public host
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
