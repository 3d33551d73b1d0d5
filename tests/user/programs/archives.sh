# tar, gzip, bzip2, xz
mkdir t; for i in 1 2 3 4; do seq 1 $((i * 5000)) >t/$i; done; ln -s 1 t/link; mkdir t/empty
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=0755 -cf a.tar t; sha256sum a.tar
for z in gzip bzip2 xz; do $z -k -9 a.tar; done; ls a.tar.* | sort; xz -t a.tar.xz && echo fine
gzip -n -6 <a.tar | sha256sum; bzip2 -9 <a.tar | sha256sum; xz -6 <a.tar | sha256sum
for z in gz bz2 xz; do mkdir out.$z; tar -C out.$z -xf a.tar.$z; diff -r t out.$z/t && echo "same $z"; done
tar tvf a.tar.gz | awk '{print $1, $3, $NF}'; zcat a.tar.gz | sha256sum; tar xOf a.tar.xz t/3 | md5sum
head -c 100 a.tar.xz >cut.xz; xz -dc cut.xz >/dev/null 2>&1; echo "cut $?"; xz -T2 -c a.tar | xz -d | cmp - a.tar && echo threads
