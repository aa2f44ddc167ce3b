"""The shape of a problem, for the OpenAPI document."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    field: str
    message: str
    type: str


class ProblemView(BaseModel):
    """RFC 9457 problem details. `code` is the machine-readable name of the refusal."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/api/docs/problems#not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no such task",
                    "instance": "/api/v1/tasks/01c0c1d5-6a40-7f89-8d6b-6960453241bc",
                    "code": "not_found",
                    "errors": [],
                    "request_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
                    "timestamp": "2031-01-15T09:30:00Z",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldError]
    request_id: str
    timestamp: datetime
