/*
 * sftp/client.c, with a server whose bytes the test makes, and with OpenSSH's
 * sftp-server.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "helpers.h"
#include "limits.h"
#include "sftp/client.h"

#define BYTES(text) text, sizeof(text) - 1
#define STRING(text)                                      \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

#define VERSION_3 "\0\0\0\5\2\0\0\0\3"
#define SERVER "/usr/lib/openssh/sftp-server"

struct peer {
	struct sftp *sftp;
	struct buf sent;
	unsigned int ready;
	int fd; /* to a real server, or -1 */
	pid_t pid;
};

/* What came as the reply to a request. */
struct answer {
	unsigned int n;
	unsigned int order; /* 1: the first of all */
	uint8_t type;
	uint32_t status;
	char bytes[64];
	size_t len;
	struct sftp_attrs attrs;
	struct sftp_limits limits;
	char names[256];
};

static unsigned int n_answers;

static int
on_send(void *ctx, const struct iovec *pieces, size_t n)
{
	struct peer *peer = ctx;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_append(&peer->sent, pieces[i].iov_base,
				     pieces[i].iov_len),
		    0);
	return 0;
}

static void
on_ready(void *ctx)
{
	((struct peer *)ctx)->ready++;
}

static void
on_reply(void *ctx, struct sftp_reply *reply)
{
	struct answer *answer = ctx;
	struct sftp_name name;
	size_t at = 0;

	answer->n++;
	answer->order = ++n_answers;
	answer->type = reply->type;
	answer->status = reply->status;
	answer->attrs = reply->attrs;
	answer->len = reply->string.len;
	if (reply->string.len > 0 && reply->string.len <= sizeof(answer->bytes))
		memcpy(answer->bytes, reply->string.bytes, reply->string.len);
	if (reply->type == SFTP_REPLY_NAME)
		while (sftp_next_name(reply, &name) == 1)
			at += (size_t)snprintf(answer->names + at,
			    sizeof(answer->names) - at, "%.*s ",
			    (int)name.name.len, (const char *)name.name.bytes);
}

static void
begin(struct peer *peer)
{
	static const struct sftp_handler handler = {
		.send = on_send,
		.ready = on_ready,
	};

	n_answers = 0;
	buf_init(&peer->sent, SIZE_MAX);
	peer->ready = 0;
	peer->fd = -1;
	peer->sftp = sftp_new(&handler, peer);
	assert_non_null(peer->sftp);
	assert_int_equal(sftp_start(peer->sftp), 0);
}

static void
end(struct peer *peer)
{
	int status;

	sftp_free(peer->sftp);
	buf_free(&peer->sent);
	if (peer->fd < 0)
		return;
	close(peer->fd);
	assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
}

static int
say(struct peer *peer, const char *bytes, size_t len)
{
	const char *why;

	return sftp_bytes(peer->sftp, bytes, len, &why);
}

static void
ask(struct peer *peer, const struct sftp_request *request,
    struct answer *answer)
{
	*answer = (struct answer) { .n = 0 };
	assert_int_equal(sftp_send(peer->sftp, request, NULL, 0, on_reply,
			     answer),
	    0);
}

/* ---- a server of our own ---- */

static const struct sftp_request opens = {
	.op = SFTP_OPEN,
	.name = STRING("a"),
	.open = SFTP_OPEN_READ,
};
static const struct sftp_request removes = {
	.op = SFTP_REMOVE,
	.name = STRING("a"),
};

#define HANDLE(id) "\0\0\0\x0a\x66\0\0\0" id "\0\0\0\1h"
#define STATUS(id, status) "\0\0\0\x09\x65\0\0\0" id "\0\0\0" status

/* Nothing can be sent before VERSION has come, however it is split. */
static void
test_version(void **state)
{
	struct peer peer;

	for (size_t at = 1; at < sizeof(VERSION_3) - 1; at++) {
		begin(&peer);
		assert_memory_equal(buf_bytes(&peer.sent), "\0\0\0\5\1\0\0\0\3",
		    9);
		assert_int_equal(sftp_send(peer.sftp, &removes, NULL, 0,
				     on_reply, NULL),
		    -ENOSYS);
		assert_int_equal(say(&peer, VERSION_3, at), 0);
		assert_int_equal(peer.ready, 0);
		assert_int_equal(say(&peer, VERSION_3 + at,
				     sizeof(VERSION_3) - 1 - at),
		    0);
		assert_int_equal(peer.ready, 1);
		assert_false(sftp_can(peer.sftp, SFTP_POSIX_RENAME));
		assert_int_equal(sftp_max_read(peer.sftp), SFTP_BLOCK);
		end(&peer);
	}
}

/* Replies come in another order, several in one piece, and byte by byte. */
static void
test_any_order(void **state)
{
	static const char replies[] =
	    STATUS("\3", "\2") HANDLE("\1") STATUS("\2", "\0");
	struct answer answers[3];
	struct peer peer;

	for (size_t part = 1; part < sizeof(replies); part++) {
		begin(&peer);
		say(&peer, BYTES(VERSION_3));
		ask(&peer, &opens, &answers[0]);
		ask(&peer, &removes, &answers[1]);
		ask(&peer, &removes, &answers[2]);
		assert_int_equal(sftp_pending(peer.sftp), 3);
		for (size_t at = 0; at < sizeof(replies) - 1; at += part) {
			size_t left = sizeof(replies) - 1 - at;

			assert_int_equal(say(&peer, replies + at,
					     left < part ? left : part),
			    0);
		}
		assert_int_equal(answers[2].order, 1);
		assert_int_equal(answers[2].status, SFTP_NO_SUCH_FILE);
		assert_int_equal(answers[0].order, 2);
		assert_memory_equal(answers[0].bytes, "h", 1);
		assert_int_equal(answers[1].order, 3);
		assert_int_equal(answers[1].status, SFTP_OK);
		assert_int_equal(sftp_pending(peer.sftp), 0);
		end(&peer);
	}
}

static void
test_violations(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} wrong[] = {
		{ BYTES("\0\0\0\5\2\0\0\0\3") }, /* VERSION again */
		{ BYTES(STATUS("\2", "\0")) },	 /* of no request */
		{ BYTES(STATUS("\1", "\0")) },	 /* OK without a handle */
		{ BYTES("\0\0\0\x0a\x67\0\0\0\1\0\0\0\1h") }, /* DATA */
		{ BYTES("\0\0\0\1\x65") },		      /* cut short */
		{ BYTES("\0\0\0\0") }, { BYTES("\0\4\0\1") }, /* too long */
		{ BYTES("\0\0\0\5\x7f\0\0\0\1") },	      /* no such type */
	};
	struct answer answer;
	struct peer peer;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		begin(&peer);
		say(&peer, BYTES(VERSION_3));
		ask(&peer, &opens, &answer);
		assert_int_equal(say(&peer, wrong[i].bytes, wrong[i].len),
		    -EPROTO);
		sftp_fail(peer.sftp, "lost");
		assert_int_equal(answer.n, 1);
		assert_int_equal(answer.status, SFTP_CONNECTION_LOST);
		assert_memory_equal(answer.bytes, "lost", 4);
		assert_int_equal(sftp_send(peer.sftp, &opens, NULL, 0, NULL,
				     NULL),
		    -EPIPE);
		end(&peer);
	}
	begin(&peer);
	assert_int_equal(say(&peer, BYTES("\0\0\0\5\2\0\0\0\6")), -EPROTO);
	assert_int_equal(peer.ready, 0);
	end(&peer);
}

/* A handle that nobody wants any more is closed. */
static void
test_forgotten_handle(void **state)
{
	struct answer answer;
	struct peer peer;

	begin(&peer);
	say(&peer, BYTES(VERSION_3));
	ask(&peer, &opens, &answer);
	sftp_forget(peer.sftp, &answer);
	buf_consume(&peer.sent, buf_len(&peer.sent));
	assert_int_equal(say(&peer, BYTES(HANDLE("\1"))), 0);
	assert_int_equal(answer.n, 0);
	assert_int_equal(buf_len(&peer.sent), 14);
	assert_memory_equal(buf_bytes(&peer.sent),
	    "\0\0\0\x0a\4\0\0\0\2\0\0\0\1h", 14);
	assert_int_equal(say(&peer, BYTES(STATUS("\2", "\0"))), 0);
	assert_int_equal(sftp_pending(peer.sftp), 0);
	end(&peer);
}

/* Cerberus never answers some requests; a slow server answers late. */
static void
test_no_reply(void **state)
{
	struct answer one, other;
	struct peer peer;

	begin(&peer);
	say(&peer, BYTES(VERSION_3));
	ask(&peer, &opens, &one);
	ask(&peer, &removes, &other);
	for (int i = 0; i < LIMIT_SFTP_REPLY_S - 1; i++)
		sftp_tick(peer.sftp);
	assert_int_equal(say(&peer, BYTES(STATUS("\2", "\0"))), 0);
	assert_int_equal(other.n, 1);
	/* Others are answered: that server is alive. */
	for (int i = 0; i < LIMIT_SFTP_REPLY_S - 1; i++)
		sftp_tick(peer.sftp);
	assert_int_equal(one.n, 0);
	sftp_tick(peer.sftp);
	sftp_tick(peer.sftp);
	assert_int_equal(one.n, 1);
	assert_int_equal(one.status, SFTP_NO_CONNECTION);
	/* It comes all the same: nobody sees it, and it is closed. */
	buf_consume(&peer.sent, buf_len(&peer.sent));
	assert_int_equal(say(&peer, BYTES(HANDLE("\1"))), 0);
	assert_int_equal(one.n, 1);
	assert_int_equal(buf_len(&peer.sent), 14);
	end(&peer);
}

/* ---- OpenSSH's server ---- */

static void
begin_server(struct peer *peer, const char *denied, const char *directory)
{
	int fds[2];

	begin(peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	peer->pid = fork();
	assert_true(peer->pid >= 0);
	if (peer->pid == 0) {
		dup2(fds[1], 0);
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execl(SERVER, SERVER, "-d", directory,
		    denied[0] != '\0' ? "-P" : NULL, denied, NULL);
		_exit(127);
	}
	close(fds[1]);
	peer->fd = fds[0];
}

/* Until each request has its reply. */
static void
run(struct peer *peer)
{
	char bytes[1000];
	const char *why = "";
	ssize_t n;

	do {
		n = write(peer->fd, buf_bytes(&peer->sent),
		    buf_len(&peer->sent));
		assert_true(n == (ssize_t)buf_len(&peer->sent));
		buf_consume(&peer->sent, (size_t)n);
		n = read(peer->fd, bytes, sizeof(bytes));
		assert_true(n > 0);
		if (sftp_bytes(peer->sftp, bytes, (size_t)n, &why) != 0)
			fail_msg("%s", why);
	} while (peer->ready == 0 || sftp_pending(peer->sftp) > 0 ||
	    buf_len(&peer->sent) > 0);
}

static void
test_real_server(void **state)
{
	char directory[] = "/tmp/sftp.XXXXXX";
	struct answer opened, written[2], closed, other, renamed, stat, space;
	char data[] = "defabc";
	struct sftp_string handle;
	struct peer peer;

	assert_non_null(mkdtemp(directory));
	begin_server(&peer, "", directory);
	run(&peer);
	assert_int_equal(peer.ready, 1);
	assert_int_equal(sftp_max_write(peer.sftp), 261120);
	for (enum sftp_op op = SFTP_POSIX_RENAME; op < SFTP_OPS; op++)
		if (!sftp_can(peer.sftp, op))
			fail_msg("no %s", sftp_op_name(op));

	ask(&peer,
	    &(struct sftp_request) { .op = SFTP_OPEN,
		.name = STRING("part"),
		.open =
		    SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE },
	    &opened);
	run(&peer);
	assert_int_equal(opened.type, SFTP_REPLY_HANDLE);
	handle = (struct sftp_string) { (uint8_t *)opened.bytes, opened.len };
	/* All of these are on their way together. */
	for (uint64_t i = 0; i < 2; i++)
		assert_int_equal(sftp_send(peer.sftp,
				     &(struct sftp_request) { .op = SFTP_WRITE,
					 .name = handle,
					 .offset = 3 - 3 * i,
					 .len = 3 },
				     &(struct iovec) { data + 3 * i, 3 }, 1,
				     on_reply,
				     memset(&written[i], 0,
					 sizeof(written[i]))),
		    0);
	ask(&peer, &(struct sftp_request) { .op = SFTP_FSYNC, .name = handle },
	    &other);
	ask(&peer, &(struct sftp_request) { .op = SFTP_CLOSE, .name = handle },
	    &closed);
	ask(&peer,
	    &(struct sftp_request) { .op = SFTP_POSIX_RENAME,
		.name = STRING("part"),
		.to = STRING("file") },
	    &renamed);
	ask(&peer,
	    &(struct sftp_request) { .op = SFTP_STAT, .name = STRING("file") },
	    &stat);
	ask(&peer,
	    &(struct sftp_request) { .op = SFTP_STATVFS, .name = STRING(".") },
	    &space);
	run(&peer);
	assert_int_equal(written[0].status, SFTP_OK);
	assert_int_equal(written[1].status, SFTP_OK);
	assert_int_equal(other.status, SFTP_OK);
	assert_int_equal(closed.status, SFTP_OK);
	assert_int_equal(renamed.status, SFTP_OK);
	assert_int_equal(stat.attrs.size, 6);
	assert_true(S_ISREG(stat.attrs.mode));
	assert_int_equal(space.type, SFTP_REPLY_EXTENDED);

	ask(&peer,
	    &(struct sftp_request) { .op = SFTP_OPENDIR, .name = STRING(".") },
	    &opened);
	run(&peer);
	handle.len = opened.len;
	ask(&peer,
	    &(struct sftp_request) { .op = SFTP_READDIR, .name = handle },
	    &other);
	ask(&peer,
	    &(struct sftp_request) { .op = SFTP_READDIR, .name = handle },
	    &closed);
	run(&peer);
	assert_non_null(strstr(other.names, "file "));
	assert_null(strstr(other.names, "part "));
	assert_int_equal(closed.status, SFTP_EOF);
	end(&peer);
	remove_directory(directory);
}

/* What a server does not announce is not sent to it. */
static void
test_denied_extensions(void **state)
{
	struct peer peer;

	begin_server(&peer, "posix-rename,limits,fsync", "/");
	run(&peer);
	assert_false(sftp_can(peer.sftp, SFTP_POSIX_RENAME));
	assert_false(sftp_can(peer.sftp, SFTP_FSYNC));
	assert_true(sftp_can(peer.sftp, SFTP_STATVFS));
	assert_int_equal(sftp_max_write(peer.sftp), SFTP_WRITE_BLOCK);
	assert_int_equal(sftp_send(peer.sftp,
			     &(struct sftp_request) { .op = SFTP_FSYNC }, NULL,
			     0, NULL, NULL),
	    -ENOSYS);
	end(&peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_violations),
		cmocka_unit_test(test_forgotten_handle),
		cmocka_unit_test(test_no_reply),
		cmocka_unit_test(test_real_server),
		cmocka_unit_test(test_denied_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
