"""The `pulumi-language-python` of a machine where Pulumi's own cannot be had: runs a Python program for the engine.

The engine starts it once for each preview and each update, reads its port from the first line it prints, and calls
`Run`. It is found on PATH as `pulumi-language-python` and runs the program with the interpreter that it runs in
itself, that is, the first `python3` on PATH. Where the official host is installed, that one is used and this file is
not.
"""

# The protocol gives every method its request and context.
# ruff: noqa: ARG001, ARG002

import asyncio
import logging
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from types import FrameType, TracebackType

import grpc
import pulumi
from google.protobuf import empty_pb2
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2


def _trace_of_program(error: BaseException, directory: str) -> TracebackType | None:
    """The part of the trace that starts in the program: what comes before is this host and `runpy`."""
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith(directory):
        trace = trace.tb_next
    return trace or error.__traceback__


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine; `engine` is the address that the program sends its log lines to."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """None ahead of the run: the engine asks for a plugin when the program registers its first resource."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(
        self, request: language_pb2.GetRequiredPluginsRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPluginsResponse:
        return language_pb2.GetRequiredPluginsResponse()

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        installed = sorted({(package.name, package.version) for package in metadata.distributions()})
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in installed]
        )

    def RuntimeOptionsPrompts(
        self, request: language_pb2.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> language_pb2.RuntimeOptionsResponse:
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Nothing to install: the interpreter on PATH is the one that has the program's packages."""
        yield language_pb2.InstallDependenciesResponse()

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        return language_pb2.AboutResponse(executable=sys.executable, version=".".join(map(str, sys.version_info[:3])))

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        directory = request.info.program_directory or request.pwd
        program = Path(os.path.normpath(Path(directory) / (request.info.entry_point or request.program)))
        os.chdir(request.pwd or directory)
        sys.path[0] = str(program if program.is_dir() else program.parent)
        sys.argv = [str(program), *request.args]
        reset_options(
            project=request.project,
            stack=request.stack,
            parallel=request.parallel,
            preview=request.dryRun,
            organization=request.organization or "organization",
            monitor_address=request.monitor_address,
            engine_address=self._engine,
        )
        set_all_config(dict(request.config), list(request.configSecretKeys))
        # A program that fails leaves futures that nobody waits for; asyncio would report each of them to the user.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=4 * max(request.parallel, 1)))
        try:
            loop.run_until_complete(run_in_stack(lambda: _run(program)))
        except pulumi.RunError as error:
            pulumi.log.error(str(error))
        except grpc.RpcError as error:
            # The engine that has gone away has reported why; any other refusal of a call is reported here.
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                pulumi.log.error(f"the engine refused a call: {error.details()}")
        except SystemExit as error:
            if not error.code:
                return language_pb2.RunResponse()
            pulumi.log.error(f"the program exited with {error.code!r}")
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is the program's and is reported)
            trace = traceback.format_exception(type(error), error, _trace_of_program(error, sys.path[0]))
            pulumi.log.error("Program failed with an unhandled exception:\n" + "".join(trace))
        else:
            return language_pb2.RunResponse()
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            sys.stdout.flush()
            sys.stderr.flush()
        return language_pb2.RunResponse(bail=True)


def main() -> None:
    """Serves until the engine ends it; its last argument is the engine's address."""

    def end(signum: int, frame: FrameType | None) -> None:
        # At once and without a word: what a handler or a thread printed now would land in the update's output.
        os._exit(0)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=unlimited)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(sys.argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    # An engine that was killed ended nobody: this process then has another parent, and a program that waits for ever.
    engine = os.getppid()
    while os.getppid() == engine:
        server.wait_for_termination(timeout=1)
    os._exit(0)


if __name__ == "__main__":
    main()
