# Calls methods of Perl's Net::FTP, and prints what they return.
#
#	net_ftp.pl HOST PORT USER PASSWORD active|passive "METHOD ARGUMENT..."...
#
# An argument cannot contain a blank.
use strict;
use warnings;
use Net::FTP;

my ($host, $port, $user, $password, $mode, @calls) = @ARGV;
my $ftp = Net::FTP->new($host, Port => $port, Timeout => 20,
    Passive => $mode eq 'passive') or die "no connection: $@";
$ftp->login($user, $password) or die $ftp->message;
$ftp->binary or die $ftp->message;
for my $call (@calls) {
	my ($method, @arguments) = split / /, $call;
	my @result = $ftp->$method(@arguments);
	die "$call: ", $ftp->message unless $ftp->ok;
	print "$_\n" for grep { defined } @result;
}
$ftp->quit;
