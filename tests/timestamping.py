"""A time stamp service by RFC 3161 on loopback, with certificates of its own, for the tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TIME = dt.datetime(2026, 2, 1, 3, 4, 5, tzinfo=dt.UTC)
POLICY = "1.3.6.1.4.1.13762.3"
DAY = dt.timedelta(days=1)
Answer = Callable[[bytes], bytes]


@dataclass
class Authority:
    """A root and, signed by it, a certificate that may stamp times."""

    name: str = "Test Time Authority"
    root_key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(65537, 2048)
    )
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def __post_init__(self) -> None:
        authority = x509.BasicConstraints(ca=True, path_length=None)
        self.root = self._certificate(
            f"{self.name} Root", self.root_key.public_key(), (authority, True)
        )
        stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        plain = x509.BasicConstraints(ca=False, path_length=None)
        self.certificate = self._certificate(
            self.name, self.key.public_key(), (stamping, True), (plain, True)
        )

    @property
    def roots(self) -> bytes:
        """What whoever verifies is to trust, in PEM."""
        return self.root.public_bytes(Encoding.PEM)

    def stamp(self, request: bytes, time: dt.datetime = TIME) -> bytes:
        """The answer to a request: RFC 3161, sections 2.4.1 and 2.4.2."""
        asked = tsp.TimeStampReq.load(request)
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": POLICY,
                "message_imprint": asked["message_imprint"],
                "serial_number": 4711,
                "gen_time": time,
                "nonce": asked["nonce"],
            }
        )
        token = cms.ContentInfo(
            {"content_type": "signed_data", "content": self._signed(info.dump())}
        )
        granted = {"status": {"status": "granted"}, "time_stamp_token": token}
        answer: bytes = tsp.TimeStampResp(granted).dump()
        return answer

    def _signed(self, content: bytes) -> cms.SignedData:
        own = asn1.Certificate.load(self.certificate.public_bytes(Encoding.DER))
        digest = algos.DigestAlgorithm({"algorithm": "sha256"})
        named = tsp.ESSCertIDv2({"cert_hash": sha256(own.dump()).digest()})
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [sha256(content).digest()]},
                {
                    "type": "signing_certificate_v2",
                    "values": [tsp.SigningCertificateV2({"certs": [named]})],
                },
            ]
        )
        signer = {
            "version": "v1",
            "sid": cms.IssuerAndSerialNumber(
                {"issuer": own.issuer, "serial_number": own.serial_number}
            ),
            "digest_algorithm": digest,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
            "signature": self.key.sign(attributes.dump(), padding.PKCS1v15(), SHA256()),
        }
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [digest],
                "encap_content_info": {
                    "content_type": "tst_info",
                    "content": core.ParsableOctetString(content),
                },
                "certificates": [own],
                "signer_infos": [signer],
            }
        )

    def _certificate(
        self, name: str, key: rsa.RSAPublicKey, *extensions: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(f"{self.name} Root"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(TIME - DAY)
            .not_valid_after(TIME + 365 * DAY)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.root_key, SHA256())


class Refusal(core.Sequence):
    """A TimeStampResp without a token, which asn1crypto's own must have."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - as asn1crypto wants it


def refusal(_: bytes) -> bytes:
    """The answer of a service that does not want to."""
    status: dict[str, Any] = {"status": "rejection", "status_string": ["come back on Monday"]}
    answer: bytes = Refusal({"status": status}).dump()
    return answer


@contextmanager
def service(answer: Answer) -> Iterator[str]:
    """Its URL, while it runs; it answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/timestamp-query"
            body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Keep quiet: stderr is the tests'."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsr"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
