"""The shape of a problem, for the OpenAPI document."""

from pydantic import BaseModel, ConfigDict


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    field: str
    message: str
    type: str


class ProblemView(BaseModel):
    """RFC 9457 problem details. `code` is the machine-readable name of the refusal."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldError]
    request_id: str
    timestamp: str
