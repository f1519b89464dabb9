"""One way to ask a model for an answer, used by the data stages, the criteria, the judge and the evaluation.

Guarantees: at most `concurrency` requests at once; an answer that was given back is never asked for again while its
cache lives, also after the process was killed; an answer with a schema is valid under it; a call that fails raises a
CallError of its kind and is counted, never an empty answer. Errors quote neither the prompt nor the server's words.
It imports nothing of memory's stores, so that it also runs where verl does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from assistant.errors import AttuneError, ModelError, ModelRefusedError
from assistant.models.address import ServerAddress
from assistant.models.backoff import backoff, retry_after
from assistant.models.refusal import status_error, unsupported_field
from assistant.models.structured import asking_for
from assistant.models.thinking import after_thinking, visible
from training.answers import NotJsonError, NotOfSchemaError, read_answer
from training.call_accounts import Account
from training.call_cache import CallCache
from training.endpoint import Endpoint
from training.errors import TrainingError

Failure = Literal["unreachable", "refused", "timeout", "garbled", "schema", "length"]

_CONNECT_S = 5.0
_CHECK_S = 15.0
_PATIENCE_S = 300.0
"""A server that asks for a longer pause than this is not waited for."""
_TRANSPORT: frozenset[Failure] = frozenset({"unreachable", "timeout"})
_RESEED = 7919
"""Added to the seed when an unusable answer is asked for again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One question."""

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any] | None = None
    """JSON schema of the answer; None for free text."""
    max_tokens: int | None = None
    """None: the endpoint's."""
    temperature: float | None = None
    """None: the endpoint's."""
    seed: int | None = None
    tag: str = "call"
    """The stage, for the accounts; not part of what makes two calls the same."""
    owner: str = ""
    """Whose words are in it, for forgetting its answer; not part of what makes two calls the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    text: str
    """Without thinking sections."""
    value: Any = None
    """Read from the text and valid under the schema; None for free text."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    """Prompt tokens that the server had in its prefix cache; None where it does not say."""
    seconds: float = 0.0
    """Of the try that answered."""
    cut: bool = False
    """Free text that ended at its token limit."""
    from_cache: bool = False


class CallError(TrainingError):
    """A call that failed for good; `kind` says how, the message names the repair."""

    def __init__(self, message: str, kind: Failure, *, fatal: bool = False, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind: Failure = kind
        self.fatal = fatal
        """Every other call would fail the same way: a wrong key, model or address."""
        self.wait = wait
        """Seconds that the server asked to wait."""


class Caller:
    """One model, its cache and its accounts; open it with `open`."""

    def __init__(
        self,
        endpoint: Endpoint,
        clients: Sequence[httpx.AsyncClient],
        cache: CallCache | None,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self.endpoint = endpoint
        self.cache = cache
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        """By tag."""
        self._clients: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        for client in clients:
            self._clients.put_nowait(client)
        self._pause = pause
        self._address = ServerAddress.parse(endpoint.base_url, role="endpoint")
        self._by = f"the model server at {self._address.base_url}"
        self._same: dict[str, asyncio.Lock] = {}
        self._not_before = 0.0
        self._format = "json_schema"
        self._without: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        endpoint: Endpoint,
        cache: Path | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncIterator[Caller]:
        """Open the connections and the cache; whether the server is there is asked by `check`.

        Raises:
            TrainingError: the address is none, the key is not set, or the cache cannot be written.
        """
        async with AsyncExitStack() as stack:
            kept = None if cache is None else await stack.enter_async_context(CallCache.open(cache))
            try:
                local = ServerAddress.parse(endpoint.base_url, role="endpoint").is_loopback
            except AttuneError as error:
                raise TrainingError(str(error)) from error
            key = endpoint.api_key()
            trusted = httpx.create_ssl_context()
            # One connection each: a pool looks through all of its connections for every request.
            clients = [
                httpx.AsyncClient(
                    headers={} if key is None else {"Authorization": f"Bearer {key}"},
                    timeout=httpx.Timeout(None, connect=_CONNECT_S),
                    trust_env=not local,  # a proxy of the environment must not see local traffic
                    verify=trusted,
                )
                for _ in range(endpoint.concurrency)
            ]
            for client in clients:
                await stack.enter_async_context(client)
            yield cls(endpoint, clients, kept, pause)

    @property
    def identity(self) -> str:
        """A hash of what decides the answers; see `Endpoint.identity`."""
        return self.endpoint.identity

    async def check(self) -> None:
        """Return when the server answers and has the model; asks once, for seconds.

        Raises:
            CallError: it does not answer, does not accept the key, or has other models only.
        """
        async with self._place() as client:
            request = client.build_request("GET", f"{self._address.base_url}/models")
            response = await self._send(client, request, _CHECK_S)
        if response.status_code in (404, 405):
            return  # a server that does not list its models
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            offered = [str(one["id"]) for one in response.json()["data"]]
        except (ValueError, KeyError, TypeError):
            raise CallError(
                f"{self._by} does not answer like an OpenAI-compatible server; check base_url (most end in /v1)",
                "garbled",
                fatal=True,
            ) from None
        if offered and self.endpoint.model not in offered:
            shown = ", ".join(offered[:8])
            raise CallError(
                f"{self._by} does not know model {self.endpoint.model!r}; it offers {shown}: set model to one of them",
                "refused",
                fatal=True,
            )

    async def ask(self, call: Call) -> Answer:
        """Return the answer, from the cache where the same was asked before.

        A place is given up when the answer is kept, so a process that is killed loses at most `concurrency` answers.

        Raises:
            CallError: after every retry; it is counted in the accounts.
        """
        key = self._key(call)
        lock = self._same.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                kept = None if self.cache is None else await self.cache.get(key)
                account = self.accounts[call.tag]
                if kept is not None:
                    account.calls += 1
                    account.cached += 1
                    return Answer(**json.loads(kept), from_cache=True)
                try:
                    async with self._place() as client:
                        answer = await self._asked(client, call, account)
                        if self.cache is not None:
                            await self.cache.put(key, _kept(answer), call.owner)
                except CallError as error:
                    account.failures[error.kind] += 1
                    raise
                self._count(account, answer)
                return answer
        finally:
            if not lock.locked():
                self._same.pop(key, None)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[httpx.AsyncClient]:
        """Wait for one of the `concurrency` places."""
        client = await self._clients.get()
        try:
            yield client
        finally:
            self._clients.put_nowait(client)

    async def _asked(self, client: httpx.AsyncClient, call: Call, account: Account) -> Answer:
        """Ask until there is an answer or no try is left."""
        failures = unusable = 0
        while True:
            body = self._body(call, unusable)
            try:
                await self._until_allowed()
                return await self._once(client, call, body)
            except _OtherFormatError:
                continue
            except CallError as error:
                if error.kind in _TRANSPORT:
                    failures += 1
                    wait = max(backoff(failures - 1), error.wait or 0.0)
                    if failures > self.endpoint.retries or wait > _PATIENCE_S:
                        raise
                    if error.wait:
                        self._not_before = max(self._not_before, time.monotonic() + error.wait)
                    else:
                        await self._pause(wait)
                elif error.kind == "refused" or unusable >= self.endpoint.reasks:
                    raise
                else:
                    unusable += 1
                account.retries += 1

    async def _until_allowed(self) -> None:
        """Wait out the pause that the server asked for, which holds for all calls."""
        wait = self._not_before - time.monotonic()
        if wait > 0:
            await self._pause(wait)

    async def _once(self, client: httpx.AsyncClient, call: Call, body: dict[str, Any]) -> Answer:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        request = client.build_request(
            "POST",
            f"{self._address.base_url}/chat/completions",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        begun = time.perf_counter()
        response = await self._send(client, request, self.endpoint.timeout_s)
        seconds = time.perf_counter() - begun
        if response.status_code != 200:
            self._weaken(response, body)
            raise self._refusal(response)
        return self._read(response, call, seconds)

    async def _send(self, client: httpx.AsyncClient, request: httpx.Request, timeout_s: float) -> httpx.Response:
        try:
            async with asyncio.timeout(timeout_s):
                return await client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise CallError(
                f"nothing answers at {self._address.base_url}; start the model server, or set base_url", "unreachable"
            ) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise CallError(
                f"{self._by} gave no answer within {timeout_s:g} s; see its load, lower concurrency or raise timeout_s",
                "timeout",
            ) from error
        except httpx.RequestError as error:
            raise CallError(
                f"{self._by} closed the connection before its answer was complete; its log says why", "unreachable"
            ) from error

    def _weaken(self, response: httpx.Response, body: Mapping[str, Any]) -> None:
        """Go on without what the server does not take; the schema is asked for in weaker and weaker forms."""
        field = unsupported_field(response.status_code, response.text, body)
        if field == "response_format":
            # Calls that were under way in the stronger form must not weaken it twice.
            if body["response_format"]["type"] == self._format:
                self._format = "json_object" if self._format == "json_schema" else "text"
            raise _OtherFormatError
        if field is not None and field not in self._without:
            self._without.add(field)
            raise _OtherFormatError

    def _refusal(self, response: httpx.Response) -> CallError:
        error: ModelError = status_error(
            response.status_code, response.text, response.headers, self._address, self.endpoint.model, "endpoint"
        )
        if not isinstance(error, ModelRefusedError):
            return CallError(str(error), "unreachable", wait=retry_after(response.headers))
        message = str(error).replace("ATTUNE_ENDPOINT__API_KEY", self.endpoint.api_key_env or "api_key_env")
        return CallError(message, "refused", fatal=response.status_code in (401, 403, 404) or response.is_redirect)

    def _read(self, response: httpx.Response, call: Call, seconds: float) -> Answer:
        try:
            body = response.json()
            choice = body["choices"][0]
            message = choice["message"]
            raw = message.get("content") or ""
            if call.schema is not None:
                # vLLM's reasoning parsers put the constrained answer of a model that does not think there.
                raw = raw or message.get("reasoning_content") or message.get("reasoning") or ""
            cut = choice.get("finish_reason") == "length"
            raw = raw.encode("utf-8", "replace").decode()  # half characters cannot be kept
            text = after_thinking(raw) if call.schema is not None else visible(raw)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise CallError(
                f"{self._by} sent something that is no chat completion; check base_url", "garbled"
            ) from None
        return Answer(text, self._value(text, call, cut=cut), *_usage(body), seconds, cut)

    def _value(self, text: str, call: Call, *, cut: bool) -> Any:
        if call.schema is None:
            if text.strip():
                return None
            kind: Failure = "length" if cut else "garbled"
            raise CallError(f"{self._by} answered without a visible word; raise max_tokens or turn thinking off", kind)
        try:
            return read_answer(text, call.schema)
        except (NotJsonError, NotOfSchemaError) as error:
            if cut:
                raise CallError(f"an answer of {self._by} was cut; raise max_tokens", "length") from None
            kind = "garbled" if isinstance(error, NotJsonError) else "schema"
            raise CallError(f"an answer of {self._by} cannot be used: {error}", kind) from None

    def _body(self, call: Call, unusable: int) -> dict[str, Any]:
        endpoint = self.endpoint
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": [dict(message) for message in call.messages],
            "temperature": endpoint.temperature if call.temperature is None else call.temperature,
            "max_tokens": call.max_tokens or endpoint.max_tokens,
            **endpoint.extra_body,
        }
        if call.seed is not None and self.endpoint.seeded:
            body["seed"] = call.seed + unusable * _RESEED
        if call.schema is not None:
            body |= self._constrained(call.schema, body["messages"])
        return {name: value for name, value in body.items() if name not in self._without}

    def _constrained(self, schema: Mapping[str, Any], messages: Sequence[Any]) -> dict[str, Any]:
        if self._format == "json_schema":
            name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "answer")))[:64]
            wanted = {"name": name, "schema": dict(schema), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": wanted}}
        asked = {"messages": asking_for(schema, messages)}
        return asked if self._format == "text" else {**asked, "response_format": {"type": "json_object"}}

    def _key(self, call: Call) -> str:
        endpoint = self.endpoint
        deciding = [
            endpoint.model,
            endpoint.temperature if call.temperature is None else call.temperature,
            call.max_tokens or endpoint.max_tokens,
            call.seed,
            dict(endpoint.extra_body),
            [dict(message) for message in call.messages],
            call.schema,
        ]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    @staticmethod
    def _count(account: Account, answer: Answer) -> None:
        account.calls += 1
        account.prompt_tokens += answer.prompt_tokens
        account.completion_tokens += answer.completion_tokens
        account.cached_tokens += answer.cached_tokens or 0
        account.seconds += answer.seconds


class _OtherFormatError(Exception):
    """The server does not take a field of the request; ask again without it."""


def _usage(body: Mapping[str, Any]) -> tuple[int, int, int | None]:
    """Return prompt, completion and cached tokens; a server that does not count gives nought."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0, None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    return _count_of(usage, "prompt_tokens"), _count_of(usage, "completion_tokens"), cached


def _count_of(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0


def _kept(answer: Answer) -> str:
    fields = ("text", "value", "prompt_tokens", "completion_tokens", "cached_tokens", "seconds", "cut")
    return json.dumps({name: getattr(answer, name) for name in fields}, ensure_ascii=False)
