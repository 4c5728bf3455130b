/*
 * The link against the real ssh and sshd: what it logs, and what it says of
 * refusals and of its session.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "sshenv.h"

#define EXPIRED "Your password has expired"

struct env {
	struct sshenv env; /* the first, for sshenv_tear_down() */
	FILE *log;
	int stderr_fd;
};

static int
start(void **state, const char *config)
{
	struct env *s = calloc(1, sizeof(*s));

	sshenv_start(&s->env, config);
	s->log = tmpfile();
	assert_non_null(s->log);
	s->stderr_fd = dup(STDERR_FILENO);
	dup2(fileno(s->log), STDERR_FILENO);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct env *s = *state;

	dup2(s->stderr_fd, STDERR_FILENO);
	close(s->stderr_fd);
	fclose(s->log);
	log_set_level(LOG_LEVEL_INFO);
	return sshenv_tear_down(state);
}

/* How often these words are in the log. */
static size_t
logged(struct env *s, const char *words)
{
	char text[16384];
	size_t n, found = 0;

	rewind(s->log);
	n = fread(text, 1, sizeof(text) - 1, s->log);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		found++;
	fseek(s->log, 0, SEEK_END);
	return found;
}

static void
until_logged(struct env *s, const char *words)
{
	for (int i = 0; i < 3000 && logged(s, words) == 0; i++)
		sshenv_for(&s->env, 10);
	assert_int_equal(logged(s, words), 1);
}

static void
until_session_ended(struct env *s)
{
	const struct link_info *info = link_info(s->env.link);

	for (int i = 0; i < 3000 && info->session_end[0] == '\0'; i++)
		sshenv_for(&s->env, 10);
}

/* ---- why forwards are refused ---- */

static int
set_up_expired(void **state)
{
	return start(state,
	    "AllowTcpForwarding no\nForceCommand echo '" EXPIRED ".'");
}

static int
set_up_chatty(void **state)
{
	return start(state,
	    "AllowTcpForwarding no\nForceCommand echo 'Welcome to plant 7'");
}

static int
set_up_silent(void **state)
{
	return start(state, "AllowTcpForwarding no\nForceCommand true");
}

static void
check_forward_refused(struct env *s, const char *words, bool contained)
{
	struct forward forward;

	forward_open(&forward, &s->env, "localhost", 0, "f");
	sshenv_until(&s->env, &forward.done);
	assert_int_equal(forward.port, 0);
	assert_int_equal(forward.err, -EACCES);
	if ((strstr(forward.why, words) != NULL) != contained)
		fail_msg("'%s': '%s'", forward.why, words);
	forward_close(&forward);
}

static void
check_dial_refused(struct env *s, const char *words, bool contained)
{
	struct near near;

	near_dial(&near, &s->env, "127.0.0.1", 1);
	sshenv_until(&s->env, &near.closed);
	assert_int_equal(near.err, -EACCES);
	if ((strstr(near.why, words) != NULL) != contained)
		fail_msg("'%s': '%s'", near.why, words);
	near_close(&near);
}

/* In place of the directives, of which none is the cause. */
static void
test_expired_password_is_told_for_each_refusal(void **state)
{
	static const char says[] =
	    "; a session on the SSH server says: \"" EXPIRED ".\"";
	struct env *s = *state;

	s->env.options.explain = true;
	sshenv_link_up(&s->env);
	check_forward_refused(s, says, true);
	check_dial_refused(s, says, true);
	check_forward_refused(s, ", see ", false);
	assert_true(reason_is_expiry(link_reason(s->env.link)));
	assert_int_equal(logged(s,
			     "@127.0.0.1 refuses a forward; a session there "
			     "says: \"" EXPIRED ".\""),
	    1);
}

static void
test_other_words_of_a_session_are_only_logged(void **state)
{
	struct env *s = *state;

	s->env.options.explain = true;
	sshenv_link_up(&s->env);
	check_dial_refused(s, "Welcome", false);
	check_dial_refused(s, ", see AllowTcpForwarding", true);
	assert_false(reason_is_expiry(link_reason(s->env.link)));
	assert_int_equal(logged(s, "a session there says: \"Welcome to plant"),
	    1);
}

static void
test_quiet_link_logs_words_only_verbosely(void **state)
{
	struct env *s = *state;

	s->env.options.explain = true;
	s->env.options.quiet = true;
	sshenv_link_up(&s->env);
	check_dial_refused(s, ", see AllowTcpForwarding", true);
	assert_int_equal(logged(s, "a session there says"), 0);
}

static void
test_session_without_words_explains_nothing(void **state)
{
	struct env *s = *state;

	s->env.options.explain = true;
	sshenv_link_up(&s->env);
	check_forward_refused(s, ", see AllowTcpForwarding", true);
	assert_int_equal(logged(s, "a session there says"), 0);
}

static void
test_no_session_is_opened_unless_configured(void **state)
{
	struct env *s = *state;

	sshenv_link_up(&s->env);
	check_forward_refused(s, ", see AllowTcpForwarding", true);
	check_forward_refused(s, EXPIRED, false);
	assert_int_equal(logged(s, "a session there says"), 0);
}

/* ---- its session ---- */

static int
set_up_sftp(void **state)
{
	return start(state, "Subsystem sftp internal-sftp");
}

static int
set_up_no_subsystem(void **state)
{
	return start(state, "");
}

static int
set_up_no_sessions(void **state)
{
	return start(state, "MaxSessions 0");
}

static void
test_nodelay_is_logged_verbosely(void **state)
{
	struct env *s = *state;

	log_set_level(LOG_LEVEL_VERBOSE);
	s->env.options.session = true;
	sshenv_link_up(&s->env);
	until_logged(s, "sshd sends small packets without delay now");
	assert_int_equal(logged(s, "may send small packets late"), 0);
}

static void
test_missing_nodelay_is_logged_with_reason(void **state)
{
	struct env *s = *state;

	log_set_level(LOG_LEVEL_VERBOSE);
	s->env.options.session = true;
	sshenv_link_up(&s->env);
	until_logged(s,
	    "sshd may send small packets late: sshd has no subsystem sftp");
}

static void
test_end_of_kept_session_has_a_reason(void **state)
{
	struct env *s = *state;

	s->env.options.session = true;
	s->env.keep_session = true;
	sshenv_link_up(&s->env);
	until_session_ended(s);
	assert_non_null(strstr(link_info(s->env.link)->session_end,
	    "), see MaxSessions (sshd_config)"));
	assert_int_equal(s->env.down, 0);
}

static void
test_session_that_is_not_kept_ends_without_reason(void **state)
{
	struct env *s = *state;

	log_set_level(LOG_LEVEL_VERBOSE);
	s->env.options.session = true;
	sshenv_link_up(&s->env);
	until_logged(s, "sshd may send small packets late: ");
	sshenv_for(&s->env, 100);
	assert_string_equal(link_info(s->env.link)->session_end, "");
}

/* The host's OpenSSH has ChannelTimeout. */
static bool
has_channel_timeout(void)
{
	FILE *said = popen("ssh -V 2>&1", "r");
	int major = 0, minor = 0, n;

	assert_non_null(said);
	n = fscanf(said, "OpenSSH_%d.%d", &major, &minor);
	pclose(said);
	return n == 2 && (major > 9 || (major == 9 && minor >= 2));
}

static int
set_up_channel_timeout(void **state)
{
	return start(state,
	    has_channel_timeout() ?
		"Subsystem sftp internal-sftp\nChannelTimeout session:*=1s" :
		"");
}

static void
test_kept_session_is_opened_again_after_channel_timeout(void **state)
{
	struct env *s = *state;

	if (!has_channel_timeout())
		skip();
	log_set_level(LOG_LEVEL_VERBOSE);
	s->env.options.session = true;
	s->env.keep_session = true;
	sshenv_link_up(&s->env);
	for (int i = 0;
	     i < 300 && logged(s, "keeps the SSH connection to ") < 2; i++)
		sshenv_for(&s->env, 100);
	assert_true(logged(s, "(ChannelTimeout in sshd_config)") >= 2);
	assert_true(logged(s, "\"session:*=0\" as the first word") >= 2);
	assert_string_equal(link_info(s->env.link)->session_end, "");
	assert_int_equal(s->env.down, 0);
}

static void
test_channel_timeout_is_a_warning_once(void **state)
{
	struct env *s = *state;

	if (!has_channel_timeout())
		skip();
	s->env.options.session = true;
	s->env.keep_session = true;
	sshenv_link_up(&s->env);
	until_logged(s, "(ChannelTimeout in sshd_config)");
	sshenv_for(&s->env, 3000);
	assert_int_equal(logged(s, "(ChannelTimeout in sshd_config)"), 1);
}

/* ---- hints ---- */

static void
test_idle_hint_comes_once_while_it_is_up(void **state)
{
	struct env *s = *state;
	const char *hint;

	sshenv_link(&s->env);
	assert_null(link_idle_hint(s->env.link, false));
	sshenv_until(&s->env, &s->env.up);
	hint = link_idle_hint(s->env.link, false);
	assert_non_null(hint);
	assert_non_null(strstr(hint, LINK_IDLE_SETTING));
	assert_non_null(strstr(hint, "\"direct-tcpip=0\""));
	assert_null(link_idle_hint(s->env.link, false));
	assert_null(link_idle_hint(s->env.link, true));
}

static void
test_idle_hint_for_accepted_connections(void **state)
{
	struct env *s = *state;
	const char *hint;

	sshenv_link_up(&s->env);
	hint = link_idle_hint(s->env.link, true);
	assert_non_null(hint);
	assert_non_null(strstr(hint, "\"forwarded-tcpip=0\""));
}

/* ---- its end ---- */

static void
test_end_of_the_monitor_is_why_it_is_down(void **state)
{
	struct env *s = *state;
	pid_t ssh;

	sshenv_link_up(&s->env);
	ssh = sshenv_ssh(&s->env);
	/* It gets SIGTERM at the end of the monitor, and must not close its
	 * control socket before culvert sees that end. */
	kill(ssh, SIGSTOP);
	kill(monitor_pid(s->env.monitor), SIGKILL);
	sshenv_until(&s->env, &s->env.down);
	kill(ssh, SIGCONT);
	assert_true(s->env.was_up);
	assert_string_equal(s->env.why, "the monitor process has ended");
	assert_int_equal(s->env.monitor_lost, 1);
}

#define TEST(name, set_up) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_expired_password_is_told_for_each_refusal,
		    set_up_expired),
		TEST(test_other_words_of_a_session_are_only_logged,
		    set_up_chatty),
		TEST(test_quiet_link_logs_words_only_verbosely, set_up_chatty),
		TEST(test_session_without_words_explains_nothing,
		    set_up_silent),
		TEST(test_no_session_is_opened_unless_configured,
		    set_up_expired),
		TEST(test_nodelay_is_logged_verbosely, set_up_sftp),
		TEST(test_missing_nodelay_is_logged_with_reason,
		    set_up_no_subsystem),
		TEST(test_end_of_kept_session_has_a_reason, set_up_no_sessions),
		TEST(test_session_that_is_not_kept_ends_without_reason,
		    set_up_no_subsystem),
		TEST(test_kept_session_is_opened_again_after_channel_timeout,
		    set_up_channel_timeout),
		TEST(test_channel_timeout_is_a_warning_once,
		    set_up_channel_timeout),
		TEST(test_idle_hint_comes_once_while_it_is_up,
		    set_up_no_subsystem),
		TEST(test_idle_hint_for_accepted_connections,
		    set_up_no_subsystem),
		TEST(test_end_of_the_monitor_is_why_it_is_down,
		    set_up_no_subsystem),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
