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
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from assistant.errors import AttuneError
from assistant.models.address import ServerAddress
from assistant.models.backoff import backoff
from training.call_accounts import Account
from training.call_cache import CallCache
from training.calls import Answer, Call, CallError, Failure
from training.endpoint import Endpoint
from training.errors import TrainingError
from training.exchange import Exchange, OtherFormatError

_CONNECT_S = 5.0
_CHECK_S = 15.0
_PATIENCE_S = 300.0
"""A server that asks for a longer pause than this is not waited for."""
_TRANSPORT: frozenset[Failure] = frozenset({"unreachable", "timeout"})


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
        self._exchange = Exchange(endpoint, self._address)
        self._same: dict[str, asyncio.Lock] = {}
        self._not_before = 0.0

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
        self._exchange.check_models(response)

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
            body = self._exchange.body(call, unusable)
            try:
                await self._until_allowed()
                return await self._once(client, call, body)
            except OtherFormatError:
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
            self._exchange.weaken(response, body)
            raise self._exchange.refusal(response)
        return self._exchange.read(response, call, seconds)

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


def _kept(answer: Answer) -> str:
    fields = ("text", "value", "prompt_tokens", "completion_tokens", "cached_tokens", "seconds", "cut")
    return json.dumps({name: getattr(answer, name) for name in fields}, ensure_ascii=False)
