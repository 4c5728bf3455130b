/*
 * SFTP through the real ssh and sshd: link_sftp() with sftp/client.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sftp/client.h"
#include "sshenv.h"

#define CONFIG "Subsystem sftp internal-sftp\n"
#define STRING(text)                                    \
	{                                               \
		(const uint8_t *)text, sizeof(text) - 1 \
	}

struct session {
	struct stream *stream;
	struct sftp *sftp;
	unsigned int opened, ready, closed, done, eof;
	int err;
	char why[256];
	char path[256];
};

static int
on_send(void *ctx, const struct iovec *pieces, size_t n)
{
	return stream_writev(((struct session *)ctx)->stream, pieces, n);
}

static void
on_ready(void *ctx)
{
	((struct session *)ctx)->ready++;
}

static void
on_opened(void *ctx)
{
	((struct session *)ctx)->opened++;
}

static void
on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct session *session = ctx;
	const char *why = "";

	for (size_t i = 0; i < n; i++)
		if (sftp_bytes(session->sftp, pieces[i].iov_base,
			pieces[i].iov_len, &why) != 0)
			fail_msg("%s", why);
}

static void
on_eof(void *ctx)
{
	((struct session *)ctx)->eof++;
}

static void
on_drained(void *ctx)
{
}

static void
on_closed(void *ctx, int err, const char *why)
{
	struct session *session = ctx;

	session->closed++;
	session->err = err;
	snprintf(session->why, sizeof(session->why), "%s", why);
}

static void
begin(struct session *session, struct sshenv *env)
{
	static const struct stream_handler streams = {
		.opened = on_opened,
		.data = on_data,
		.eof = on_eof,
		.drained = on_drained,
		.closed = on_closed,
	};
	static const struct sftp_handler handler = {
		.send = on_send,
		.ready = on_ready,
	};

	*session = (struct session) { .opened = 0 };
	session->stream = link_sftp(env->link, &streams, session);
	assert_non_null(session->stream);
	session->sftp = sftp_new(&handler, session);
	assert_non_null(session->sftp);
	stream_read_start(session->stream);
	/* It waits until the subsystem has begun. */
	assert_int_equal(sftp_start(session->sftp), 0);
}

static void
end(struct session *session)
{
	stream_close(session->stream);
	sftp_free(session->sftp);
}

static void
on_path(void *ctx, struct sftp_reply *reply)
{
	struct session *session = ctx;
	struct sftp_name name;

	session->done++;
	if (sftp_next_name(reply, &name) == 1)
		snprintf(session->path, sizeof(session->path), "%.*s",
		    (int)name.name.len, (const char *)name.name.bytes);
}

static void
check_works(struct sshenv *env)
{
	static const struct sftp_request request = {
		.op = SFTP_REALPATH,
		.name = STRING("/tmp/.."),
	};
	struct session session;

	begin(&session, env);
	sshenv_until(env, &session.ready);
	assert_int_equal(session.opened, 1);
	assert_int_equal(sftp_send(session.sftp, &request, NULL, 0, on_path,
			     &session),
	    0);
	sshenv_until(env, &session.done);
	assert_string_equal(session.path, "/");
	assert_int_equal(session.closed, 0);
	end(&session);
}

static void
test_works(void **state)
{
	struct sshenv env;

	sshenv_start(&env, CONFIG);
	sshenv_link_up(&env);
	check_works(&env);
	check_works(&env);
	sshenv_end(&env);
}

/* The text names the directive, and the link goes on. */
static void
check_refused(const char *config, const char *directive)
{
	struct session session;
	struct sshenv env;

	sshenv_start(&env, config);
	sshenv_link_up(&env);
	for (int i = 0; i < 2; i++) {
		begin(&session, &env);
		sshenv_until(&env, &session.closed);
		assert_int_equal(session.opened, 0);
		assert_int_equal(session.err, -EACCES);
		if (strstr(session.why, directive) == NULL)
			fail_msg("'%s' has no '%s'", session.why, directive);
		end(&session);
	}
	assert_int_equal(env.down, 0);
	sshenv_end(&env);
}

static void
test_no_subsystem(void **state)
{
	check_refused("", "Subsystem");
}

static void
test_no_session(void **state)
{
	check_refused(CONFIG "MaxSessions 0\n", "MaxSessions");
}

/* More than the SSH server permits: the others stay. */
static void
test_too_many_sessions(void **state)
{
	struct session session[3];
	struct sshenv env;

	sshenv_start(&env, CONFIG "MaxSessions 2\n");
	sshenv_link_up(&env);
	for (size_t i = 0; i < 2; i++) {
		begin(&session[i], &env);
		sshenv_until(&env, &session[i].ready);
	}
	begin(&session[2], &env);
	sshenv_until(&env, &session[2].closed);
	assert_int_equal(session[2].err, -EACCES);
	end(&session[2]);
	end(&session[1]);
	sshenv_for(&env, 500); /* until sshd has ended it, too */
	check_works(&env);
	assert_int_equal(session[0].closed, 0);
	end(&session[0]);
	sshenv_end(&env);
}

/* ssh is killed: the stream reports a loss. */
static void
test_loss(void **state)
{
	struct session session;
	struct sshenv env;

	sshenv_start(&env, CONFIG);
	sshenv_link_up(&env);
	begin(&session, &env);
	sshenv_until(&env, &session.ready);
	link_stop(env.link);
	sshenv_until(&env, &session.closed);
	assert_int_equal(session.eof, 0);
	end(&session);
	sshenv_end(&env);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_works),
		cmocka_unit_test(test_no_subsystem),
		cmocka_unit_test(test_no_session),
		cmocka_unit_test(test_too_many_sessions),
		cmocka_unit_test(test_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
