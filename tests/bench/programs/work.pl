# What scripts do: regular expressions, hashes, sorting, strings.
use strict;
use warnings;

open(my $file, '<', $ARGV[0]) or die "$ARGV[0]: $!";
my (%count, %next, $sum, $lines);
my $last = '';
while (my $line = <$file>) {
    last if ++$lines > 7000;
    chomp $line;
    $line =~ s/\b([a-z])([a-z]*)\b/$2$1/g if $lines % 3 == 0;
    for my $word (split /[^A-Za-z]+/, lc $line) {
        next unless length $word;
        $count{$word}++;
        $next{$last}{$word}++ if $word =~ /^[^aeiou]*[aeiou][^aeiou]*$/;
        $last = $word;
    }
    $sum = (($sum // 0) * 31 + unpack('%32C*', $line)) % 1000000007;
}
my @order = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my $text = join ',', map { sprintf '%s=%d', $_, $count{$_} } @order;
$sum = ($sum * 33 + ord $_) % 1000000007 for split //, substr $text, 0, 30000;
my $pairs = 0;
$pairs += scalar keys %{$next{$_}} for sort keys %next;
print "$lines $sum $pairs ", scalar(@order), "\n";
