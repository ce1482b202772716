"""Certificates that are wrong in one thing each, in the folder that is named: NAME.pem and NAME.key.

    certificates.py FOLDER
"""

import datetime, ipaddress, pathlib, sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

folder = pathlib.Path(sys.argv[1])
now = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)


def make(name, issuer=None, ca=False, names=("localhost",), usage=None, begins=now - day, ends=now + 30 * day):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(pem)
    (folder / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return (subject, key), pem


SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
authority, _ = make("authority", ca=True)
make("stranger", ca=True)
middle, middle_pem = make("middle", authority, ca=True)
make("server", authority, usage=SERVER)
make("expired", authority, usage=SERVER, begins=now - 10 * day, ends=now - day)
make("future", authority, usage=SERVER, begins=now + day)
make("elsewhere", authority, usage=SERVER, names=("bi.example",))
make("selfsigned", usage=SERVER)
make("root", ca=True)
make("notforservers", authority, usage=CLIENT)
make("client", authority, usage=CLIENT)
make("clientexpired", authority, usage=CLIENT, begins=now - 10 * day, ends=now - day)
make("clientfuture", authority, usage=CLIENT, begins=now + day)
make("clientserver", authority, usage=SERVER)
_, leaf_pem = make("chained", middle, usage=CLIENT)
(folder / "wrongorder.pem").write_bytes(middle_pem + leaf_pem)
(folder / "rightorder.pem").write_bytes(leaf_pem + middle_pem)
stranger, _ = make("unknown", make("elder", ca=True)[0], usage=CLIENT)
