/*
 * check/facts: what ssh prints, and what follows from it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check/facts.h"

static void
read_all(struct facts *facts, const char *const *lines)
{
	memset(facts, 0, sizeof(*facts));
	for (; *lines != NULL; lines++)
		facts_read_line(facts, *lines);
}

static void
test_good(void **state)
{
	static const char *const lines[] = {
		"debug1: Remote protocol version 2.0, remote software version "
		"OpenSSH_9.2p1 Debian-2",
		"debug1: kex: algorithm: curve25519-sha256",
		"debug1: kex: algorithm: sntrup761x25519-sha512@openssh.com",
		"debug1: kex: host key algorithm: ssh-ed25519",
		"debug1: kex: server->client cipher: aes128-gcm@openssh.com "
		"MAC: <implicit> compression: none",
		"debug1: Server host key: ssh-ed25519 SHA256:abc",
		"debug1: using hostkeyalias: files.test",
		"debug1: Found key in /home/a/.ssh/known_hosts:7",
		"debug1: Authentications that can continue: publickey,password",
		"debug1: Offering public key: /home/a/one RSA SHA256:x agent",
		"debug1: Offering public key: /home/a/two ED25519 SHA256:y",
		"Authenticated to h ([192.0.2.1]:22) using \"publickey\".",
		"debug1: Remote: /home/b/.ssh/authorized_keys:3: key options: "
		"command permitopen port-forwarding",
		"debug1: Remote: Server has disabled port forwarding.",
		NULL,
	};
	struct facts facts;

	(void)state;
	read_all(&facts, lines);
	assert_string_equal(fact(&facts, FACT_SSHD), "OpenSSH_9.2p1 Debian-2");
	assert_true(facts_kex_is_post_quantum(&facts));
	assert_string_equal(fact(&facts, FACT_CIPHER),
	    "aes128-gcm@openssh.com");
	assert_false(facts_cipher_is_old(&facts));
	assert_string_equal(fact(&facts, FACT_HOST_KEY),
	    "ssh-ed25519 SHA256:abc");
	assert_string_equal(fact(&facts, FACT_HOST_KEY_NAME), "files.test");
	assert_string_equal(fact(&facts, FACT_HOST_KEY_PLACE),
	    "/home/a/.ssh/known_hosts:7");
	assert_string_equal(fact(&facts, FACT_KNOWN_HOSTS),
	    "/home/a/.ssh/known_hosts");
	assert_string_equal(fact(&facts, FACT_METHODS), "publickey,password");
	assert_string_equal(fact(&facts, FACT_KEYS),
	    "/home/a/one, /home/a/two");
	assert_string_equal(fact(&facts, FACT_METHOD), "publickey");
	assert_string_equal(fact(&facts, FACT_KEY_PLACE),
	    "/home/b/.ssh/authorized_keys:3");
	assert_true(fact_known(&facts, FACT_KEY_OPTIONS));
	assert_true(facts_key_has(&facts, "permitopen"));
	assert_true(facts_key_has(&facts, "port-forwarding"));
	assert_false(facts_key_has(&facts, "permitlisten"));
	assert_string_equal(fact(&facts, FACT_NOT_FORWARDED),
	    "Server has disabled port forwarding.");
	assert_int_equal(facts_failure(&facts), SSH_FAILED);
}

/* What ssh prints about a jump host is not about the destination. */
static void
test_jump(void **state)
{
	static const char *const lines[] = {
		"debug1: Authenticating to gate:22 as 'a'",
		"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @",
		"Offending ED25519 key in /k:4",
		"debug1: Offering public key: /one ED25519 SHA256:x",
		"debug1: Server accepts key: /one ED25519 SHA256:x",
		"debug1: SSH2_MSG_NEWKEYS received",
		"Authenticated using \"publickey\" with partial success.",
		"debug1: Remote protocol version 2.0, remote software version "
		"OpenSSH_10.1",
		"debug1: Authenticating to 192.0.2.1:2222 as 'b'",
		"debug1: Offering public key: /two RSA SHA256:y",
		"debug1: send_pubkey_test: no mutual signature algorithm",
		NULL,
	};
	struct facts facts;

	(void)state;
	read_all(&facts, lines);
	assert_string_equal(fact(&facts, FACT_LOGIN_AT),
	    "gate:22"); /* a banner's */
	memset(&facts, 0, sizeof(facts));
	fact_set(&facts, FACT_PROXY, "ProxyJump gate");
	for (size_t i = 0; lines[i] != NULL; i++)
		facts_read_line(&facts, lines[i]);
	assert_string_equal(fact(&facts, FACT_LOGIN_AT), "192.0.2.1:2222");
	assert_true(facts_sshd_has_no_delay(&facts));
	assert_string_equal(fact(&facts, FACT_KEYS), "/two");
	assert_string_equal(fact(&facts, FACT_ACCEPTED), "");
	assert_string_equal(fact(&facts, FACT_HOST_KEY_PLACE), "");
	assert_false(fact_known(&facts, FACT_PARTIAL));
	assert_true(fact_known(&facts, FACT_NO_ALGORITHM));
	assert_int_equal(facts_failure(&facts), SSH_FAILED);
}

/* A key that ssh cannot use, and one with which sshd refuses the login. */
static void
test_signature(void **state)
{
	static const char *const lines[] = {
		"debug1: Authentications that can continue: publickey",
		"debug1: Server accepts key: /one ED25519 SHA256:x",
		"debug1: Offering public key: /two ED25519 SHA256:y",
		"debug1: Authentications that can continue: publickey",
		NULL,
	};
	struct facts facts;

	(void)state;
	read_all(&facts, lines);
	assert_string_equal(fact(&facts, FACT_ACCEPTED), "/one");
	assert_false(fact_known(&facts, FACT_REFUSED));
	facts_read_line(&facts, lines[1]);
	facts_read_line(&facts, lines[3]);
	assert_true(fact_known(&facts, FACT_REFUSED));
}

/* The cause is found among other messages. */
static void
test_failures(void **state)
{
	static const struct {
		const char *lines[4];
		enum finding failure;
	} cases[] = {
		{ { "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @",
		      "Offending ED25519 key in /k:4",
		      "Host key verification failed." },
		    HOST_KEY_CHANGED },
		{ { "No ED25519 host key is known for h and you have requested "
		    "strict checking.",
		      "Host key verification failed." },
		    HOST_KEY_UNKNOWN },
		{ { "Unable to negotiate with 192.0.2.1 port 22: no matching "
		    "key exchange method found. Their offer: "
		    "diffie-hellman-group1-sha1,kex-strict-s-v00@openssh.com" },
		    KEX_NONE_COMMON },
		{ { "Received disconnect from 192.0.2.1 port 22:2: Too many "
		    "authentication failures",
		      "Permission denied (publickey)." },
		    LOGIN_TOO_MANY },
		{ { "Permissions 0644 for '/k' are too open.",
		      "u@h: Permission denied (publickey)." },
		    LOGIN_KEY_READABLE },
		{ { "u@h: Permission denied (publickey).",
		      "Connection closed by 192.0.2.1 port 22" },
		    LOGIN_DENIED },
		{ { "ssh: Could not resolve hostname h: Name or service not "
		    "known",
		      "Connection closed by UNKNOWN port 65535" },
		    SSH_FAILED },
		{ { "/c: line 3: Bad configuration option: colour",
		      "/c: terminating, 1 bad configuration options" },
		    SSH_CONFIG_WRONG },
		{ { "something else" }, SSH_FAILED },
	};
	struct facts facts;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		read_all(&facts, cases[i].lines);
		assert_int_equal(facts_failure(&facts), cases[i].failure);
	}
	read_all(&facts, cases[0].lines);
	assert_string_equal(fact(&facts, FACT_HOST_KEY_PLACE), "/k:4");
	read_all(&facts, cases[2].lines);
	assert_string_equal(fact(&facts, FACT_OFFER),
	    "diffie-hellman-group1-sha1");
	read_all(&facts, cases[4].lines);
	assert_string_equal(fact(&facts, FACT_KEY_FILE), "/k");
}

static void
test_versions(void **state)
{
	static const struct {
		const char *sshd;
		bool no_delay;
	} cases[] = {
		{ "OpenSSH_9.2p1", false },
		{ "OpenSSH_10.0p2", false },
		{ "OpenSSH_10.0p2 Debian-7", false },
		{ "OpenSSH_10.0p2 Debian-7+deb13u2", false },
		{ "OpenSSH_10.0p2 Debian-7+deb13u3", true },
		{ "OpenSSH_10.0p2 Debian-7+deb13u12", true },
		{ "OpenSSH_9.2p1 Debian-2+deb12u7", false },
		{ "OpenSSH_10.1", true },
		{ "OpenSSH_11", true },
		{ "dropbear_2022.83", false },
		{ "", false },
	};
	struct facts facts = { .failure = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fact_set(&facts, FACT_SSHD, cases[i].sshd);
		assert_int_equal(facts_sshd_has_no_delay(&facts),
		    cases[i].no_delay);
	}
	assert_false(fact_known(&facts, FACT_KEY_OPTIONS));
	fact_set(&facts, FACT_CIPHER, "aes256-cbc");
	assert_true(facts_cipher_is_old(&facts));
	assert_false(facts_kex_is_post_quantum(&facts));
	fact_set(&facts, FACT_KEX, "mlkem768x25519-sha256");
	assert_true(facts_kex_is_post_quantum(&facts));
}

/* Long texts are cut. */
static void
test_long(void **state)
{
	static char line[8 * FACT_MAX];
	struct facts facts = { .failure = 0 };

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "debug1: Server host key: ", 25);
	facts_read_line(&facts, line);
	assert_int_equal(strlen(fact(&facts, FACT_HOST_KEY)), FACT_MAX - 1);
	memcpy(line, "debug1: Offering public key: ", 29);
	for (size_t i = 0; i < 3; i++)
		facts_read_line(&facts, line);
	assert_int_equal(strlen(fact(&facts, FACT_KEYS)), FACT_MAX - 1);
}

/* What is forgotten when the next forward begins. */
static void
test_forget(void **state)
{
	static struct facts facts;

	(void)state;
	assert_int_equal(facts_find("host", 4), FACT_HOST);
	assert_int_equal(facts_find("hos", 3), FACTS);
	fact_escape_line(&facts, FACT_HOST, "a\x1b\r\nb");
	assert_string_equal(fact(&facts, FACT_HOST), "a\\x1b");
	fact_set(&facts, FACT_REPLY, "220 hello");
	fact_set(&facts, FACT_EXPIRED, "yes");
	facts_forget(&facts, SCOPE_FORWARD);
	assert_true(fact_known(&facts, FACT_HOST));
	assert_false(fact_known(&facts, FACT_REPLY));
	assert_false(fact_known(&facts, FACT_EXPIRED));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_jump),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
