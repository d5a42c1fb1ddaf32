"""A TLS server in front of the local stack, so that a cold start includes the handshake as it does on AWS."""

import asyncio
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

SYSTEM_ROOTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class TlsFront:
    """A server on a port of its own that decrypts and forwards to `port`. `roots` has the certificates of the system and its own."""

    def __init__(self, folder: Path, port: int) -> None:
        certificate, key = folder / "bench.crt", folder / "bench.key"
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        # As an authority it could not stand for a server: rustls refuses that.
        subject += ["-addext", "basicConstraints=critical,CA:FALSE"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        self.roots = folder / "roots.pem"
        system = next((path for path in map(Path, SYSTEM_ROOTS) if path.exists()), None)
        known = system.read_text(encoding="utf-8") if system else ""
        self.roots.write_text(known + certificate.read_text())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._behind = port
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._serve, args=(started,), daemon=True).start()
        if not started.wait(10):
            raise RuntimeError("the TLS front did not start")

    def _serve(self, started: threading.Event) -> None:
        async def main() -> None:
            server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._context)
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await server.serve_forever()

        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(main())

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()
