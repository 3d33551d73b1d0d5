# perl
cat >t.pl <<'X'
use strict; use warnings; use List::Util qw(sum max shuffle); use POSIX qw(floor fmod strftime); use Data::Dumper;
my %h = map { $_ => $_ ** 2 } 1 .. 10; print join(",", map { "$_=$h{$_}" } sort { $a <=> $b } keys %h), "\n";
my $text = "The year 1999 and 2024"; my @years = $text =~ /(\d{4})/g; print "@years\n"; (my $c = $text) =~ tr/a-z/b-za/; print "$c\n";
print sum(1 .. 100), " ", max(3, 9, 2), " ", floor(-1.5), " ", fmod(7, 3), " ", 10 / 3, " ", 2 ** 70, " ", 0.1 + 0.2, "\n";
print strftime("%Y-%m-%d", gmtime(86400 * 365)), " ", sprintf("%.10e %g %s %05.1f", 1 / 3, 1e21, 1e15, 2.25), "\n";
my @sorted = sort { $a->[1] cmp $b->[1] } map { [$_, scalar reverse $_] } qw(pear apple fig); print join(" ", map { $_->[0] } @sorted), "\n";
package Shape { sub new { my ($c, %a) = @_; bless {%a}, $c } sub area { 0 } } package Square { our @ISA = 'Shape'; sub area { $_[0]{s} ** 2 } }
print Square->new(s => 4)->area, "\n"; local $@; eval { die { code => 7 } }; print "died $@->{code}\n";
open my $f, '>', 'x' or die; print $f "line $_\n" for 1 .. 3; close $f; open $f, '<', 'x' or die; my @l = <$f>; print scalar(@l), " $l[1]"; print -s 'x', "\n";
my $pid = fork; if (!$pid) { exit 5 } waitpid $pid, 0; print $? >> 8, "\n"; print `echo from shell`; local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 30; }; print $@;
print join(" ", unpack("nNvVC", pack("nNvVC", 1, 2, 3, 4, 5))), " ", unpack("H*", pack("d>", 3.14)), " ", length(pack("w", 1 << 40)), "\n"; $Data::Dumper::Sortkeys = $Data::Dumper::Indent = 1; print Dumper({ a => [1, 2], b => { c => undef } });
my $n = 0; for my $i (2 .. 3000) { my $p = 1; for (my $j = 2; $j * $j <= $i; $j++) { if ($i % $j == 0) { $p = 0; last } } $n += $p } print "primes $n\n"; my $s = "a" x 1000; my $count = () = $s =~ /a{3}/g; print "$count\n"; use utf8; binmode STDOUT, ':utf8'; print uc("straße"), " ", length("日本"), "\n";
use Digest::SHA qw(sha256_hex); use MIME::Base64; use Storable qw(freeze thaw); print sha256_hex("abc"), " ", encode_base64("perl"), thaw(freeze([1, 2, [3]]))->[2][0], "\n"; use Socket; socketpair(my $p, my $q, AF_UNIX, SOCK_STREAM, PF_UNSPEC); syswrite $p, "via socket\n"; sysread $q, my $b, 100; print $b;
X
perl t.pl
