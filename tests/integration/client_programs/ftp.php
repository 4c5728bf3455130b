<?php
// Calls PHP's functions ftp_*, and prints what they return.
//
//	ftp.php HOST PORT USER PASSWORD active|passive "FUNCTION ARGUMENT..."...
//
// "size f" is ftp_size($ftp, "f").  An argument cannot contain a blank.
[, $host, $port, $user, $password, $mode] = $argv;
$ftp = ftp_connect($host, (int)$port, 20);
if (!$ftp || !ftp_login($ftp, $user, $password) ||
    !ftp_pasv($ftp, $mode == "passive"))
	exit(1);
foreach (array_slice($argv, 6) as $call) {
	$arguments = explode(" ", $call);
	$function = "ftp_" . array_shift($arguments);
	$arguments = array_map(
	    fn($one) => ctype_digit($one) ? (int)$one : $one, $arguments);
	$result = $function($ftp, ...$arguments);
	if ($result === false) {
		echo "$call: failed\n";
		exit(1);
	}
	foreach (is_array($result) ? $result : [$result] as $one)
		echo is_array($one) ? json_encode($one) : $one, "\n";
}
ftp_close($ftp);
