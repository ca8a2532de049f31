#!/usr/bin/env bash
# Certificates and keys for tests of TLS: make_certificates.sh [FOLDER [DAYS]], in tls/ beside this script and for 100 years unless
# told; expired.pem and late.pem are over. The keys are published with the repository: they protect nothing. Needs OpenSSL 3.
set -euo pipefail
folder="${1:-$(dirname "$0")/tls}"
days="${2:-36500}"
mkdir -p "$folder"
cd "$folder"

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }

# authority NAME: a root.
authority() {
    key "$1"
    openssl req -x509 -key "$1.key" -days "$days" -subj "/CN=Needletail test $1" \
        -addext keyUsage=critical,keyCertSign -out "$1.pem"
}

# sign NAME AUTHORITY DAYS EXTENSIONS: a certificate for NAME.key.
sign() {
    openssl req -new -key "$1.key" -subj "/CN=$1" |
        openssl x509 -req -CA "$2.pem" -CAkey "$2.key" -days "$3" -out "$1.pem" \
            -extfile <(printf '%s\n' "$4") 2>/dev/null
}

names='subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
extendedKeyUsage=serverAuth'

authority authority
authority stranger-authority
key intermediate
sign intermediate authority "$days" 'basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign'

# The server's: signed by the intermediate, which follows it in the file. "renewed" is what it is replaced by.
for name in server renewed; do
    key $name
    sign $name intermediate "$days" "$names"
    cat intermediate.pem >>$name.pem
done
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key 2>/dev/null
sign rsa authority "$days" "$names"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key 2>/dev/null
sign weak authority "$days" "$names"
cp server.key expired.key
sign expired authority -1 "$names"
openssl pkey -in server.key -aes256 -passout pass:secret -out encrypted.key

# Clients: one that is known, one that another authority signed, one whose time is over.
for name in client stranger late; do key $name; done
sign client authority "$days" extendedKeyUsage=clientAuth
sign stranger stranger-authority "$days" extendedKeyUsage=clientAuth
sign late authority -1 extendedKeyUsage=clientAuth

rm authority.key stranger-authority.key stranger-authority.pem intermediate.key expired.key
