// Shows the API's document with Swagger UI.
"use strict";

const place = document.getElementById("swagger");
SwaggerUIBundle({
  url: place.dataset.document,
  dom_id: "#swagger",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: -1,
  persistAuthorization: false,
  validatorUrl: null,
});
