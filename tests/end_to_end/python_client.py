"""A Python MCP client, the official one or fastmcp, driven by lines of JSON over standard input and output.

It is started with the library (`mcp` or `fastmcp`), how to open (`auto` or `legacy`), the MCP URL and a redirect URI. Once it has to send a person to a page it prints `{"authorize": url}`
and reads `{"redirect": url}`; when it is connected it prints `{"trail": [[method, url, status], ...]}`. Then each line
`{"method": ..., "params": ...}` is answered by one line `{"result": ...}` or `{"error": ...}`, until the input ends.

What holds here: everything that speaks with the server is the library's; the answers are passed on as it gave them, after
its own validation against the tools' output schemas.
It must never: sign in by itself, or check or mend an answer.
"""

import json
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken


def say(**line: Any) -> None:
    """Prints one line at once."""
    print(json.dumps(line), flush=True)


async def hear() -> dict[str, Any] | None:
    """Reads the next line; nothing when the input has ended."""
    line = await anyio.to_thread.run_sync(sys.stdin.readline)
    return json.loads(line) if line else None


class Memory:
    """Keeps the registration and the tokens for the life of the program."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def send_to_page(url: str) -> None:
    """The library's redirect handler."""
    say(authorize=url)


async def come_back() -> AuthorizationCodeResult:
    """The library's callback handler; the library compares state and issuer."""
    line = await hear()
    if line is None:
        raise RuntimeError("the input ended before the redirect came back")
    answer = dict(parse_qsl(urlsplit(line["redirect"]).query))
    return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))


Trail = list[tuple[str, str, int]]
Methods = dict[str, Callable[..., Any]]


def hooks(trail: Trail) -> dict[str, Any]:
    """Notes every answer that a library's HTTP client gets."""

    async def follow(response: httpx2.Response) -> None:
        trail.append((response.request.method, str(response.request.url), response.status_code))

    return {"response": [follow]}


@asynccontextmanager
async def official(url: str, redirect_uri: str, mode: Any, trail: Trail) -> Any:
    """The official client, connected."""
    metadata = OAuthClientMetadata(
        client_name="Official client", redirect_uris=[redirect_uri], token_endpoint_auth_method="none"
    )
    auth = OAuthClientProvider(url, metadata, Memory(), send_to_page, come_back)
    async with httpx2.AsyncClient(auth=auth, event_hooks=hooks(trail), timeout=60, trust_env=False) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            yield {
                "listTools": client.list_tools,
                "callTool": client.call_tool,
                "listResources": client.list_resources,
                "readResource": client.read_resource,
            }


@asynccontextmanager
async def fast(url: str, redirect_uri: str, mode: Any, trail: Trail) -> Any:
    """fastmcp, connected; its methods that give the protocol's own results."""
    warnings.simplefilter("ignore")  # it advises to keep tokens on disk, which a test must not
    import fastmcp
    from fastmcp.client.auth import OAuth
    from fastmcp.client.transports import StreamableHttpTransport

    class Headless(OAuth):
        """A person without a screen, as in fastmcp's own HeadlessOAuth, whose pages are opened by our caller."""

        async def redirect_handler(self, authorization_url: str) -> None:
            await send_to_page(authorization_url)

        async def callback_handler(self) -> AuthorizationCodeResult:
            return await come_back()

    def factory(**options: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(**{**options, "event_hooks": hooks(trail), "trust_env": False})

    redirect = urlsplit(redirect_uri)
    auth = Headless(callback_host=redirect.hostname, callback_port=redirect.port)
    transport = StreamableHttpTransport(url, auth=auth, httpx_client_factory=factory)
    async with fastmcp.Client(transport, mode=mode) as client:
        yield {
            "listTools": client.list_tools_mcp,
            "callTool": client.call_tool_mcp,
            "listResources": client.list_resources_mcp,
            "readResource": client.read_resource_mcp,
        }


async def serve(methods: Methods) -> None:
    """Does what the lines ask for, one after the other."""
    while (line := await hear()) is not None:
        try:
            result = await methods[line["method"]](**line["params"])
            say(result=result.model_dump(mode="json", by_alias=True, exclude_none=True))
        except Exception as error:  # whatever the library raises is the answer
            say(error=f"{type(error).__name__}: {error}")


async def main(library: str, mode: str, url: str, redirect_uri: str) -> None:
    """Connects, which signs in, and serves."""
    libraries: dict[str, Callable[..., AbstractAsyncContextManager[Methods]]] = {"mcp": official, "fastmcp": fast}
    trail: Trail = []
    async with libraries[library](url, redirect_uri, mode, trail) as methods:
        say(trail=trail)
        await serve(methods)


anyio.run(main, *sys.argv[1:])
