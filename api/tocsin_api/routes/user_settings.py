"""Routes of notes and settings, for people (protocol.md §3.4)."""

from __future__ import annotations

from litestar import Response, get, patch, put

from tocsin_api.auth import people_only
from tocsin_api.request import ApiRequest, answer_json, no_content, path_id, read_body, services
from tocsin_api.schemas.user_settings import ClientSettingsEdit, NoteEdit, SettingsEdit

NOTE = "/users/@me/notes/{user_id:str}"
PROTO = "/users/@me/settings-proto/{settings_type:str}"


@get("/users/@me/notes", guards=[people_only], summary="List the caller's notes on users")
async def list_notes(request: ApiRequest) -> Response[bytes]:
    """By the id of whom they are on."""
    return answer_json(await services(request).user_settings.notes(request.user.id))


@get(NOTE, guards=[people_only], summary="Get the caller's note on a user")
async def get_note(request: ApiRequest) -> Response[bytes]:
    """404 where there is none."""
    return answer_json(await services(request).user_settings.note(request.user, path_id(request, "user_id")))


@put(NOTE, status_code=204, guards=[people_only], opt={"body": NoteEdit}, summary="Note something on a user")
async def set_note(request: ApiRequest) -> Response[None]:
    """Empty takes it away."""
    body = await read_body(request, NoteEdit)
    await services(request).user_settings.set_note(request.user, path_id(request, "user_id"), body.note or "")
    return no_content()


@get(PROTO, guards=[people_only], summary="Get the caller's settings of a type")
async def get_settings(request: ApiRequest) -> Response[bytes]:
    """A protobuf in base64."""
    kind = path_id(request, "settings_type")
    return answer_json({"settings": await services(request).user_settings.settings(request.user.id, kind)})


@patch(PROTO, guards=[people_only], opt={"body": SettingsEdit}, summary="Change the caller's settings of a type")
async def set_settings(request: ApiRequest) -> Response[bytes]:
    """The fields that the body has; with `required_data_version`, only if nobody changed them since."""
    body = await read_body(request, SettingsEdit)
    kind = path_id(request, "settings_type")
    kept, late = await services(request).user_settings.set_settings(
        request.user, kind, body.settings, body.required_data_version
    )
    return answer_json({"settings": kept, "out_of_date": late})


@get("/users/@me/settings", guards=[people_only], summary="Get the settings of the caller's clients")
async def get_client_settings(request: ApiRequest) -> Response[bytes]:
    """With defaults where nothing was set."""
    return answer_json(await services(request).client_settings.get(request.user.id))


@patch(
    "/users/@me/settings",
    guards=[people_only],
    opt={"body": ClientSettingsEdit},
    summary="Change the settings of the caller's clients",
)
async def edit_client_settings(request: ApiRequest) -> Response[bytes]:
    """Change what the body names."""
    changes = (await read_body(request, ClientSettingsEdit)).changes()
    return answer_json(await services(request).client_settings.update(request.user, changes))


HANDLERS: list[object] = [
    get_client_settings,
    edit_client_settings,
    list_notes,
    get_note,
    set_note,
    get_settings,
    set_settings,
]
