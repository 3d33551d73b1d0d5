# openssl: with the extensions for cryptography that the processor has, and without
run() {
    for d in md5 sha1 sha224 sha256 sha512 sha3-256 blake2b512 sm3; do seq 1 3000 | openssl dgst -$d | sed "s/.*= /$d /"; done
    for c in aes-128-cbc aes-256-ctr aes-192-ecb chacha20 camellia-128-cbc aria-128-cbc sm4-cbc des-ede3-cbc; do
        seq 1 3000 | openssl enc -$c -K 000102030405060708090a0b0c0d0e0f1011121314151617 -iv 0f0e0d0c0b0a09080706050403020100 2>/dev/null |
            openssl dgst -sha256 | sed "s/.*= /$c /"
    done
    echo abc | openssl mac -macopt digest:SHA256 -macopt hexkey:00112233 HMAC; echo abc | openssl mac -cipher AES-128-CBC -macopt hexkey:000102030405060708090a0b0c0d0e0f CMAC
    echo abc | openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f Poly1305
    openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:p -kdfopt salt:s -kdfopt iter:2000 PBKDF2
    openssl prime -hex FFFFFFFFFFFFFFC5; openssl prime 170141183460469231731687303715884105727
}
run >with; OPENSSL_armcap=0 run >without; cmp with without && cat with
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out k 2>/dev/null; echo text >m
openssl pkeyutl -sign -inkey k -rawin -in m -digest sha256 -out sig && openssl pkey -in k -pubout -out pub && openssl pkeyutl -verify -pubin -inkey pub -rawin -in m -digest sha256 -sigfile sig
for a in ed25519 ed448; do openssl genpkey -algorithm $a -out k; openssl pkeyutl -sign -inkey k -rawin -in m -out sig; openssl pkey -in k -pubout -out pub; openssl pkeyutl -verify -pubin -inkey pub -rawin -in m -sigfile sig; done
for c in prime256v1 secp384r1 secp521r1; do openssl ecparam -name $c -genkey -noout -out k; openssl dgst -sha256 -sign k -out sig m; openssl ec -in k -pubout -out pub 2>/dev/null; openssl dgst -sha256 -verify pub -signature sig m; done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out cert -subj /CN=x -days 1 2>/dev/null; openssl verify -CAfile cert cert
for i in 1 2; do openssl genpkey -algorithm x25519 -out x$i; openssl pkey -in x$i -pubout -out p$i; done; openssl pkeyutl -derive -inkey x1 -peerkey p2 -out s1; openssl pkeyutl -derive -inkey x2 -peerkey p1 -out s2; cmp s1 s2 && echo agreed
