"""What clients get: the OpenAPI document, a Postman collection, and typed clients made from them."""
