/*
 * ssh/askpass_prompt.c: which questions are about the password.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ssh/askpass_prompt.h"

static void
check(enum askpass_prompt expected, const char *const *prompts)
{
	for (; *prompts != NULL; prompts++)
		assert_int_equal(askpass_prompt_judge(*prompts, "alice"),
		    expected);
}

/* The first three are ssh's own; the others come from servers. */
static void
test_password(void **state)
{
	static const char *const prompts[] = { "alice@gate's password: ",
		"alice@pin.new.example's password: ",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@h's password: ",
		"(alice@gate) Password: ", "(alice@gate) Password:",
		"(alice@gate) password for alice@files: ",
		"(alice@code) Passwort: ", "Password: ",
		"(alice@gate) Mot de passe : ", "(alice@gate) PASSWORD",
		"(alice@gate) (alice@x) Password: ", NULL };

	check(ASKPASS_PASSWORD, prompts);
}

static void
test_new_password(void **state)
{
	static const char *const prompts[] = {
		"Enter alice@gate's old password: ",
		"Enter alice@gate's new password: ",
		"Retype alice@gate's new password: ",
		"(alice@gate) New password: ",
		"(alice@gate) (current) UNIX password: ",
		"(alice@gate) Current password: ",
		"(alice@gate) Password expired. Change your password now.", NULL
	};

	check(ASKPASS_NEW_PASSWORD, prompts);
}

static void
test_other(void **state)
{
	static const char *const prompts[] = { "", " ", "(alice@gate) ",
		"(alice@gate) Verification code: ", "(alice@gate) Token: ",
		"(alice@gate) One-time password (OATH) for `alice': ",
		"(alice@gate) Password & verification code: ",
		"(alice@gate) Enter PIN: ", "(alice@gate) Passcode: ",
		"Enter passphrase for key '/home/alice/.ssh/id': ",
		"The authenticity of host 'gate (192.0.2.1)' can't be "
		"established.\nED25519 key fingerprint is SHA256:x.\nAre you "
		"sure you want to continue connecting "
		"(yes/no/[fingerprint])? ",
		"(alice@gate) Duo two-factor login for alice\n\nPasscode or "
		"option (1-3): ",
		"(alice@gate) Response: ", "(bob@gate) Answer: ",
		"(alice@gate no bracket", "password@gate", NULL };

	check(ASKPASS_OTHER, prompts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_new_password),
		cmocka_unit_test(test_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
