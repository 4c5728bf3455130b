/*
 * ssh/reason: what of a session's words explains a refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ssh/reason.h"

#define SEE "PermitOpen"

static uv_loop_t loop;

/* What said() was told last. */
static char said_words[REASON_WORDS_MAX];
static unsigned int n_asked, n_known;

static bool
ask(void *ctx)
{
	(void)ctx;
	n_asked++;
	return true;
}

static void
said(void *ctx, const char *words)
{
	(void)ctx;
	snprintf(said_words, sizeof(said_words), "%s", words);
}

static void
known(void *ctx)
{
	(void)ctx;
	n_known++;
}

static const struct reason_handler handler = { .open = ask, .said = said };

/* Its session has said that, and is over. */
static struct reason *
reason_that_heard(const char *text)
{
	static struct reason_wait wait;
	struct reason *reason;

	said_words[0] = '\0';
	n_asked = n_known = 0;
	wait = (struct reason_wait) { 0 };
	reason = reason_new(&loop, &handler, NULL);
	assert_non_null(reason);
	assert_true(reason_await(reason, &wait, known, NULL));
	assert_int_equal(n_asked, 1);
	reason_hear(reason, (const uint8_t *)text, strlen(text));
	reason_settle(reason);
	assert_int_equal(n_known, 1);
	return reason;
}

static void
end(struct reason *reason)
{
	reason_free(reason);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void
test_expiry(void **state)
{
	static const char *const all[] = {
		/* sshd */
		"WARNING: Your password has expired.\n"
		"Password change required but no TTY available.\n",
		"WARNING: Your password has expired.\r\n"
		"You must change your password now and login again!\r\n",
		"You must change your password now and log in again!",
		/* pam_unix of several releases */
		"You are required to change your password immediately\n",
		"You are required to change your password immediately (root "
		"enforced)\n",
		"You are required to change your password immediately "
		"(administrator enforced).\n",
		"You are required to change your password immediately "
		"(password expired).",
		"You are required to change your password immediately "
		"(password aged)",
		"Your account has expired; please contact your system "
		"administrator\n",
		"Your account has expired; please contact your system "
		"administrator.\n",
		/* pam_sss, shadow */
		"Password expired. Change your password now.\n",
		"Your password has expired.  Choose a new password.\n",
		"Your login has expired.  Contact the system administrator.\n",
		/* behind a motd */
		"Welcome.\n\nYour licence is fine.\nYour password has "
		"expired.\nBye",
		"This account is currently not available.\nYour password has "
		"expired.\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct reason *reason = reason_that_heard(all[i]);
		char text[REASON_MAX];

		reason_explain(reason, SEE, text);
		if (!reason_is_expiry(reason) || strstr(text, SEE) != NULL ||
		    strstr(text, "assword") == strstr(text, "expired"))
			fail_msg("%s: %s", all[i], text);
		assert_null(strstr(text, "licence"));
		end(reason);
	}
}

/* Words that only look like it, or go on in another way, go to nobody but the
 * log. */
static void
test_motd(void **state)
{
	static const char *const all[] = {
		"Your licence expired on Monday.\n",
		"Your password will expire in 3 days.\n",
		"Warning: your password will expire in 1 day.\n",
		"Your account will expire in 3 days.\n",
		"If your password has expired, call 4711.\n",
		"Call 4711 if you see: Your password has expired.\n",
		"Your password has expired certificates in its vault\n",
		"Certificate invalid: expired\n",
		"Passwords: password change is due each May\n",
		"Please change your password regularly.\n",
		"You are required to change your password immediately: now\n",
		"Ask the helpdesk (tel. 4711) for access.\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct reason *reason = reason_that_heard(all[i]);
		char text[REASON_MAX], words[REASON_WORDS_MAX];

		reason_explain(reason, SEE, text);
		assert_string_equal(text, ", see " SEE);
		assert_false(reason_is_expiry(reason));
		reason_words(reason, words);
		assert_string_equal(said_words, words);
		assert_memory_equal(words, all[i], strlen(words));
		end(reason);
	}
}

/* An account without a shell: a known sentence, and the directives. */
static void
test_nologin(void **state)
{
	struct reason *reason = reason_that_heard(
	    "Tel. 4711\nThis account is currently not available.\n");
	char text[REASON_MAX];

	(void)state;
	reason_explain(reason, SEE, text);
	assert_string_equal(text,
	    "; a session on the SSH server says: \"This account is currently "
	    "not available.\", see " SEE);
	assert_false(reason_is_expiry(reason));
	end(reason);
}

/* sshd's own words come before what explains them. */
static void
test_own_words(void **state)
{
	static const char *const heard[] = { "",
		"Your account has expired.\n" };
	static const char own[] = "administratively prohibited: open failed";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct reason *reason = reason_that_heard(heard[i]);
		char text[REASON_MAX], why[sizeof(own) + REASON_MAX];

		reason_explain(reason, SEE, text);
		snprintf(why, sizeof(why), "%s%s", own, text);
		assert_true(strlen(why) > strlen(own));
		assert_int_equal(reason_own_len(why), strlen(own));
		end(reason);
	}
	assert_int_equal(reason_own_len(own), strlen(own));
}

/* Once sshd has permitted a forward nothing has expired. */
static void
test_forwarded(void **state)
{
	struct reason *reason =
	    reason_that_heard("WARNING: Your password has expired.\n");
	struct reason_wait wait = { 0 };
	char text[REASON_MAX];

	(void)state;
	assert_true(reason_is_expiry(reason));
	reason_forwarded(reason);
	assert_false(reason_is_expiry(reason));
	reason_explain(reason, SEE, text);
	assert_string_equal(text, ", see " SEE);
	assert_false(reason_await(reason, &wait, known, NULL));
	end(reason);

	/* No session is opened then, either. */
	n_asked = 0;
	reason = reason_new(&loop, &handler, NULL);
	reason_forwarded(reason);
	assert_false(reason_await(reason, &wait, known, NULL));
	assert_int_equal(n_asked, 0);
	end(reason);
}

/* It was permitted while the session speaks. */
static void
test_forwarded_meanwhile(void **state)
{
	static const char words[] = "Your password has expired.\n";
	struct reason *reason = reason_new(&loop, &handler, NULL);
	struct reason_wait wait = { 0 };

	(void)state;
	said_words[0] = '\0';
	n_known = 0;
	assert_true(reason_await(reason, &wait, known, NULL));
	reason_forwarded(reason);
	reason_hear(reason, (const uint8_t *)words, strlen(words));
	reason_settle(reason);
	assert_int_equal(n_known, 1);
	assert_false(reason_is_expiry(reason));
	assert_string_equal(said_words, "");
	end(reason);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_motd),
		cmocka_unit_test(test_nologin),
		cmocka_unit_test(test_own_words),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_forwarded_meanwhile),
	};

	uv_loop_init(&loop);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
