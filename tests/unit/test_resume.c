/*
 * resume/: a session that outlives its connection; what the server and the
 * client get, line by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resume/resume.h"

/* What was said since the last look, and what was called. */
struct resumeenv {
	struct resume *resume;
	char client[4096];
	char server[4096];
	struct resume_data data;
	unsigned dials, compares, uploads, cuts, resumptions, failures;
	uint64_t from;
	bool transfer, later;
	uint16_t port;
	uint64_t repeated;
	int64_t size;
};

static void
resumeenv_append(char *to, size_t size, const void *bytes, size_t len)
{
	size_t at = strlen(to);

	assert_true(at + len < size);
	memcpy(to + at, bytes, len);
	to[at + len] = '\0';
}

static void
on_client(void *ctx, const void *bytes, size_t len)
{
	struct resumeenv *env = ctx;

	resumeenv_append(env->client, sizeof(env->client), bytes, len);
}

static void
on_server(void *ctx, const void *bytes, size_t len)
{
	struct resumeenv *env = ctx;

	resumeenv_append(env->server, sizeof(env->server), bytes, len);
}

static void
on_data(void *ctx, struct resume_data *ret)
{
	*ret = ((struct resumeenv *)ctx)->data;
}

static void
on_dial(void *ctx, uint16_t port, uint64_t repeated, int64_t size)
{
	struct resumeenv *env = ctx;

	env->dials++;
	env->port = port;
	env->repeated = repeated;
	env->size = size;
}

static void
on_compare(void *ctx, uint16_t port, uint64_t from)
{
	struct resumeenv *env = ctx;

	env->compares++;
	env->port = port;
	env->from = from;
}

static void
on_upload(void *ctx, uint64_t from)
{
	struct resumeenv *env = ctx;

	env->uploads++;
	env->from = from;
}

static void
on_cut(void *ctx, const char *why)
{
	assert_true(why[0] != '\0');
	((struct resumeenv *)ctx)->cuts++;
}

static void
on_resumed(void *ctx, bool transfer)
{
	struct resumeenv *env = ctx;

	env->resumptions++;
	env->transfer = transfer;
}

static void
on_failed(void *ctx, bool later, const char *why)
{
	struct resumeenv *env = ctx;

	assert_true(why[0] != '\0');
	env->failures++;
	env->later = later;
}

/* The server has got exactly that since the last look. */
static void
server_gets(struct resumeenv *env, const char *text)
{
	assert_string_equal(env->server, text);
	env->server[0] = '\0';
}

static void
client_gets(struct resumeenv *env, const char *text)
{
	assert_string_equal(env->client, text);
	env->client[0] = '\0';
}

static void
client_says(struct resumeenv *env, const char *text)
{
	assert_int_equal(resume_client(env->resume, text, strlen(text)), 0);
}

static void
server_says(struct resumeenv *env, const char *text)
{
	assert_int_equal(resume_server(env->resume, text, strlen(text)), 0);
}

/* A command, and its reply, which both pass. */
static void
exchange(struct resumeenv *env, const char *command, const char *reply)
{
	client_says(env, command);
	server_gets(env, command);
	server_says(env, reply);
	client_gets(env, reply);
}

/* What the session itself sends, and the server's reply, which nobody sees. */
static void
own(struct resumeenv *env, const char *command, const char *reply)
{
	server_gets(env, command);
	server_says(env, reply);
	client_gets(env, "");
}

static void
begin(struct resumeenv *env)
{
	static const struct resume_handler handler = {
		.to_client = on_client,
		.to_server = on_server,
		.data = on_data,
		.dial = on_dial,
		.compare = on_compare,
		.upload = on_upload,
		.cut = on_cut,
		.resumed = on_resumed,
		.failed = on_failed,
	};

	*env = (struct resumeenv) { .dials = 0 };
	env->resume = resume_new(&handler, env);
	assert_non_null(env->resume);
	server_says(env, "220 hello\r\n");
	client_gets(env, "220 hello\r\n");
}

static void
log_in(struct resumeenv *env)
{
	begin(env);
	exchange(env, "USER u\r\n", "331 password?\r\n");
	exchange(env, "PASS secret\r\n", "230 in\r\n");
	exchange(env, "TYPE I\r\n", "200 binary\r\n");
	exchange(env, "CWD /dir\r\n", "250 there\r\n");
}

/* A download, of which so many bytes have come. */
static void
download(struct resumeenv *env, uint64_t passed)
{
	log_in(env);
	exchange(env, "EPSV\r\n", "229 ok (|||1000|)\r\n");
	client_says(env, "RETR f\r\n");
	own(env, "SIZE f\r\nMDTM f\r\n",
	    "213 100000\r\n213 20260101000000\r\n");
	server_gets(env, "RETR f\r\n");
	server_says(env, "150 here it comes\r\n");
	client_gets(env, "150 here it comes\r\n");
	env->data.passed = passed;
}

static void
lose(struct resumeenv *env)
{
	const char *why;

	assert_true(resume_lost(env->resume, &why));
	server_gets(env, "");
}

static void
log_in_again(struct resumeenv *env)
{
	resume_connected(env->resume);
	server_says(env, "220-hello\r\n again\r\n220 hello\r\n");
	own(env, "USER u\r\n", "331 password?\r\n");
	own(env, "PASS secret\r\n", "230 in\r\n");
	own(env, "TYPE I\r\n", "200 binary\r\n");
	own(env, "CWD /dir\r\n", "250 there\r\n");
	assert_int_equal(env->resumptions, 1);
}

static void
end(struct resumeenv *env)
{
	resume_free(env->resume);
}

static void
test_idle_session(void **state)
{
	struct resumeenv env;

	log_in(&env);
	lose(&env);
	client_says(&env, "NOOP\r\n");
	assert_memory_equal(env.client, "200 ", 4);
	env.client[0] = '\0';
	client_says(&env, "PWD\r\n");
	client_gets(&env, "");
	log_in_again(&env);
	assert_false(env.transfer);
	own(&env, "PWD\r\n", "");
	server_says(&env, "257 \"/dir\"\r\n");
	client_gets(&env, "257 \"/dir\"\r\n");
	exchange(&env, "NOOP\r\n", "200 ok\r\n");
	end(&env);
}

static void
test_download_continues(void **state)
{
	struct resumeenv env;

	download(&env, 60000);
	lose(&env);
	log_in_again(&env);
	assert_true(env.transfer);
	own(&env, "SIZE f\r\nMDTM f\r\n",
	    "213 100000\r\n213 20260101000000\r\n");
	own(&env, "EPSV\r\n", "229 ok (|||2000|)\r\n");
	assert_int_equal(env.port, 2000);
	assert_int_equal(env.repeated, RESUME_SEAM);
	assert_int_equal(env.size, 100000);
	resume_dialled(env.resume, NULL);
	own(&env, "REST 43616\r\n", "350 ok\r\n");
	own(&env, "RETR f\r\n", "150 again\r\n");
	server_says(&env, "226 done\r\n");
	client_gets(&env, "226 done\r\n");
	assert_int_equal(env.cuts, 0);
	exchange(&env, "NOOP\r\n", "200 ok\r\n");
	end(&env);
}

/* REST counts from the beginning of the file, what has passed from there. */
static void
test_download_with_rest(void **state)
{
	struct resumeenv env;

	log_in(&env);
	exchange(&env, "PASV\r\n", "227 ok (127,0,0,1,4,0)\r\n");
	exchange(&env, "REST 5000\r\n", "350 ok\r\n");
	client_says(&env, "RETR f\r\n");
	own(&env, "SIZE f\r\nMDTM f\r\n", "213 9000\r\n550 no\r\n");
	own(&env, "REST 5000\r\n", "350 ok\r\n");
	server_gets(&env, "RETR f\r\n");
	server_says(&env, "150 here it comes\r\n");
	client_gets(&env, "150 here it comes\r\n");
	env.data.passed = 100;
	lose(&env);
	log_in_again(&env);
	own(&env, "SIZE f\r\nMDTM f\r\n", "213 9000\r\n550 no\r\n");
	own(&env, "PASV\r\n", "227 ok (127,0,0,1,8,0)\r\n");
	assert_int_equal(env.port, 2048);
	assert_int_equal(env.repeated, 100);
	assert_int_equal(env.size, 4000);
	resume_dialled(env.resume, NULL);
	own(&env, "REST 5000\r\n", "350 ok\r\n");
	own(&env, "RETR f\r\n", "150 again\r\n");
	end(&env);
}

static void
test_file_has_changed(void **state)
{
	static const char *const replies[] = {
		"213 100001\r\n213 20260101000000\r\n",
		"213 100000\r\n213 20260101000001\r\n",
		"550 gone\r\n550 gone\r\n",
	};
	struct resumeenv env;

	for (size_t i = 0; i < 3; i++) {
		download(&env, 60000);
		lose(&env);
		log_in_again(&env);
		server_gets(&env, "SIZE f\r\nMDTM f\r\n");
		server_says(&env, replies[i]);
		assert_memory_equal(env.client, "426 ", 4);
		env.client[0] = '\0';
		assert_int_equal(env.cuts, 1);
		exchange(&env, "NOOP\r\n", "200 ok\r\n");
		end(&env);
	}
}

/* Lost at each point of the repair: it begins again. */
static void
test_lost_again(void **state)
{
	static const char *const steps[][2] = {
		{ "", "220 hello\r\n" },
		{ "USER u\r\n", "331 password?\r\n" },
		{ "PASS secret\r\n", "230 in\r\n" },
		{ "TYPE I\r\n", "200 binary\r\n" },
		{ "CWD /dir\r\n", "250 there\r\n" },
		{ "SIZE f\r\nMDTM f\r\n",
		    "213 100000\r\n213 20260101000000\r\n" },
		{ "EPSV\r\n", "229 ok (|||2000|)\r\n" },
		{ "REST 43616\r\n", "350 ok\r\n" },
		{ "RETR f\r\n", "150 again\r\n" },
	};
	const size_t n = sizeof(steps) / sizeof(steps[0]);
	struct resumeenv env;

	for (size_t until = 0; until <= n; until++) {
		download(&env, 60000);
		for (int round = 0; round < 2; round++) {
			size_t last = round == 0 ? until : n;

			lose(&env);
			resume_connected(env.resume);
			for (size_t i = 0; i < last; i++) {
				own(&env, steps[i][0], steps[i][1]);
				if (steps[i][0][0] == 'E')
					resume_dialled(env.resume, NULL);
			}
			env.server[0] = '\0';
		}
		server_says(&env, "226 done\r\n");
		client_gets(&env, "226 done\r\n");
		assert_int_equal(env.cuts, 0);
		end(&env);
	}
}

/* Everything has passed, but for the reply. */
static void
test_only_the_reply_is_lost(void **state)
{
	struct resumeenv env;

	download(&env, 100000);
	env.data.ended = true;
	lose(&env);
	log_in_again(&env);
	server_gets(&env, "SIZE f\r\nMDTM f\r\n");
	server_says(&env, "213 100000\r\n213 20260101000000\r\n");
	assert_memory_equal(env.client, "226 ", 4);
	assert_int_equal(env.dials + env.cuts, 0);
	end(&env);
}

/* The reply has come before the last bytes: they come, without another reply.
 */
static void
test_reply_before_the_data(void **state)
{
	struct resumeenv env;

	download(&env, 60000);
	server_says(&env, "226 done\r\n");
	client_gets(&env, "226 done\r\n");
	lose(&env);
	log_in_again(&env);
	own(&env, "SIZE f\r\nMDTM f\r\n",
	    "213 100000\r\n213 20260101000000\r\n");
	own(&env, "EPSV\r\n", "229 ok (|||2000|)\r\n");
	resume_dialled(env.resume, NULL);
	own(&env, "REST 43616\r\n", "350 ok\r\n");
	own(&env, "RETR f\r\n", "150 again\r\n");
	server_says(&env, "226 done\r\n");
	client_gets(&env, "");
	exchange(&env, "NOOP\r\n", "200 ok\r\n");
	end(&env);
}

/* An upload of so many bytes, of which the last ones are kept. */
static void
upload(struct resumeenv *env, uint64_t uploaded, uint64_t kept)
{
	log_in(env);
	exchange(env, "EPSV\r\n", "229 ok (|||1000|)\r\n");
	exchange(env, "STOR f\r\n", "150 go\r\n");
	env->data.uploaded = uploaded;
	env->data.kept = kept;
}

/* The end of the upload is compared with what was sent. */
static void
compare(struct resumeenv *env, const char *rest, uint64_t len)
{
	own(env, "EPSV\r\n", "229 ok (|||2000|)\r\n");
	assert_int_equal(env->compares, 1);
	assert_int_equal(env->port, 2000);
	resume_dialled(env->resume, NULL);
	if (rest != NULL)
		own(env, rest, "350 ok\r\n");
	own(env, "RETR f\r\n", "150 here\r\n");
	resume_compared(env->resume, true, len);
	server_gets(env, "");
	server_says(env, "226 done\r\n");
}

static void
test_upload_continues(void **state)
{
	struct resumeenv env;

	upload(&env, 90000, 40000);
	lose(&env);
	log_in_again(&env);
	own(&env, "SIZE f\r\n", "213 60000\r\n");
	compare(&env, "REST 50000\r\n", 10000);
	assert_int_equal(env.from, 50000);
	own(&env, "EPSV\r\n", "229 ok (|||3000|)\r\n");
	assert_true(env.dials == 1 && env.port == 3000);
	resume_dialled(env.resume, NULL);
	own(&env, "REST 60000\r\n", "350 ok\r\n");
	own(&env, "STOR f\r\n", "150 go on\r\n");
	assert_true(env.uploads == 1 && env.from == 60000);
	env.data.uploaded = 100000;
	own(&env, "", "226 done\r\n");
	server_gets(&env, "SIZE f\r\n");
	end(&env);
}

/* After the last SIZE. */
static void
end_upload(struct resumeenv *env, const char *size, const char *code)
{
	upload(env, 100, 100);
	lose(env);
	log_in_again(env);
	own(env, "SIZE f\r\n", "213 100\r\n");
	compare(env, NULL, 100);
	own(env, "EPSV\r\n", "229 ok (|||3000|)\r\n");
	resume_dialled(env->resume, NULL);
	own(env, "REST 100\r\n", "350 ok\r\n");
	own(env, "STOR f\r\n", "150 go on\r\n");
	client_says(env, "NOOP\r\n");
	own(env, "", "226 done\r\n");
	server_gets(env, "SIZE f\r\n");
	server_says(env, size);
	assert_memory_equal(env->client, code, 4);
	env->client[0] = '\0';
	server_gets(env, "NOOP\r\n");
	server_says(env, "200 ok\r\n");
	client_gets(env, "200 ok\r\n");
	end(env);
}

static void
test_upload_reply(void **state)
{
	struct resumeenv env;

	end_upload(&env, "213 100\r\n", "226 ");
	end_upload(&env, "213 99\r\n", "426 ");
	end_upload(&env, "213 101\r\n", "426 ");
	end_upload(&env, "550 no\r\n", "426 ");
}

/* A server that refuses REST and STOR may take APPE; proftpd, for one. */
static void
test_upload_is_appended(void **state)
{
	struct resumeenv env;

	upload(&env, 90000, 90000);
	lose(&env);
	log_in_again(&env);
	own(&env, "SIZE f\r\n", "213 100\r\n");
	compare(&env, NULL, 100);
	own(&env, "EPSV\r\n", "229 ok (|||3000|)\r\n");
	resume_dialled(env.resume, NULL);
	own(&env, "REST 100\r\n", "350 ok\r\n");
	env.compares = 0;
	own(&env, "STOR f\r\n", "451 no\r\n");
	own(&env, "SIZE f\r\n", "213 200\r\n");
	compare(&env, NULL, 200);
	own(&env, "EPSV\r\n", "229 ok (|||3000|)\r\n");
	resume_dialled(env.resume, NULL);
	own(&env, "APPE f\r\n", "150 go on\r\n");
	assert_true(env.uploads == 1 && env.from == 200);
	end(&env);
}

/* Nothing had reached the server, or it has removed it. */
static void
test_upload_begins_again(void **state)
{
	struct resumeenv env;

	upload(&env, 90000, 90000);
	lose(&env);
	log_in_again(&env);
	own(&env, "SIZE f\r\n", "550 no\r\n");
	own(&env, "EPSV\r\n", "229 ok (|||3000|)\r\n");
	resume_dialled(env.resume, NULL);
	own(&env, "STOR f\r\n", "150 go\r\n");
	assert_true(env.uploads == 1 && env.from == 0);
	end(&env);
}

/* APPE begins behind what was there. */
static void
test_append_continues(void **state)
{
	struct resumeenv env;

	log_in(&env);
	exchange(&env, "EPSV\r\n", "229 ok (|||1000|)\r\n");
	client_says(&env, "APPE f\r\n");
	own(&env, "SIZE f\r\n", "213 5000\r\n");
	server_gets(&env, "APPE f\r\n");
	server_says(&env, "150 go\r\n");
	client_gets(&env, "150 go\r\n");
	env.data.uploaded = env.data.kept = 300;
	lose(&env);
	log_in_again(&env);
	own(&env, "SIZE f\r\n", "213 5200\r\n");
	compare(&env, "REST 5000\r\n", 200);
	own(&env, "EPSV\r\n", "229 ok (|||3000|)\r\n");
	resume_dialled(env.resume, NULL);
	own(&env, "REST 5200\r\n", "350 ok\r\n");
	own(&env, "STOR f\r\n", "150 go on\r\n");
	assert_true(env.uploads == 1 && env.from == 200);
	end(&env);
}

/* The server has less than can be repeated, more than was sent, or does not
 * say; or other bytes. */
static void
test_upload_is_cut(void **state)
{
	static const char *const sizes[] = { "213 49999\r\n", "213 90001\r\n",
		"500 no\r\n", "550 no\r\n" };
	struct resumeenv env;

	for (size_t i = 0; i < 4; i++) {
		upload(&env, 90000, 40000);
		lose(&env);
		log_in_again(&env);
		server_gets(&env, "SIZE f\r\n");
		server_says(&env, sizes[i]);
		assert_memory_equal(env.client, "426 ", 4);
		env.client[0] = '\0';
		assert_int_equal(env.cuts, 1);
		exchange(&env, "NOOP\r\n", "200 ok\r\n");
		end(&env);
	}
	for (int same = 0; same < 2; same++) {
		upload(&env, 90000, 40000);
		lose(&env);
		log_in_again(&env);
		own(&env, "SIZE f\r\n", "213 60000\r\n");
		own(&env, "EPSV\r\n", "229 ok (|||2000|)\r\n");
		resume_dialled(env.resume, NULL);
		own(&env, "REST 50000\r\n", "350 ok\r\n");
		own(&env, "RETR f\r\n", "226 done\r\n");
		resume_compared(env.resume, same, same ? 9999 : 10000);
		assert_memory_equal(env.client, "426 ", 4);
		assert_int_equal(env.cuts, 1);
		end(&env);
	}
}

/* A text file, a listing, a file without a size: no byte may be lost. */
static void
test_what_cannot_continue_is_cut(void **state)
{
	static const char *const transfers[] = { "LIST\r\n", "NLST x\r\n",
		"MLSD\r\n" };
	struct resumeenv env;

	for (size_t i = 0; i < 3; i++) {
		log_in(&env);
		exchange(&env, "EPSV\r\n", "229 ok (|||1000|)\r\n");
		exchange(&env, transfers[i], "150 here\r\n");
		env.data.passed = 1;
		lose(&env);
		assert_memory_equal(env.client, "426 ", 4);
		assert_int_equal(env.cuts, 1);
		end(&env);
	}
	download(&env, 60000);
	end(&env);
	log_in(&env);
	exchange(&env, "EPSV\r\n", "229 ok (|||1000|)\r\n");
	client_says(&env, "RETR f\r\n");
	own(&env, "SIZE f\r\nMDTM f\r\n", "550 no\r\n500 no\r\n");
	server_gets(&env, "RETR f\r\n");
	server_says(&env, "150 here\r\n");
	env.client[0] = '\0';
	env.data.passed = 1;
	lose(&env);
	assert_memory_equal(env.client, "426 ", 4);
	end(&env);
}

/* Nothing has passed: it is simply repeated. */
static void
test_transfer_without_a_byte_is_repeated(void **state)
{
	struct resumeenv env;

	log_in(&env);
	exchange(&env, "EPSV\r\n", "229 ok (|||1000|)\r\n");
	exchange(&env, "LIST\r\n", "150 here\r\n");
	lose(&env);
	log_in_again(&env);
	own(&env, "EPSV\r\n", "500 unknown\r\n");
	own(&env, "PASV\r\n", "227 ok (127,0,0,1,8,0)\r\n");
	resume_dialled(env.resume, NULL);
	own(&env, "LIST\r\n", "150 again\r\n");
	server_says(&env, "226 done\r\n");
	client_gets(&env, "226 done\r\n");
	end(&env);
}

static void
test_unanswered_commands(void **state)
{
	struct resumeenv env;

	log_in(&env);
	client_says(&env, "SIZE f\r\nDELE f\r\nCWD sub\r\nSITE X\r\nPWD\r\n");
	env.server[0] = '\0';
	lose(&env);
	log_in_again(&env);
	own(&env, "SIZE f\r\n", "");
	server_says(&env, "213 5\r\n");
	assert_memory_equal(env.client, "213 5\r\n450 ", 11);
	env.client[0] = '\0';
	own(&env, "CWD sub\r\n", "");
	server_says(&env, "250 there\r\n");
	assert_memory_equal(env.client, "250 there\r\n450 ", 15);
	env.client[0] = '\0';
	own(&env, "PWD\r\n", "");
	server_says(&env, "257 \"/dir/sub\"\r\n");
	client_gets(&env, "257 \"/dir/sub\"\r\n");
	end(&env);
}

/* The settings are those that count, in their order. */
static void
test_settings(void **state)
{
	struct resumeenv env;

	log_in(&env);
	exchange(&env, "OPTS UTF8 ON\r\n", "200 ok\r\n");
	exchange(&env, "opts mlst size;\r\n", "200 ok\r\n");
	exchange(&env, "TYPE A\r\n", "200 ok\r\n");
	exchange(&env, "OPTS UTF8 OFF\r\n", "200 ok\r\n");
	exchange(&env, "CWD sub\r\n", "250 ok\r\n");
	exchange(&env, "CWD none\r\n", "550 no\r\n");
	exchange(&env, "CDUP\r\n", "200 ok\r\n");
	exchange(&env, "SITE UMASK 077\r\n", "200 ok\r\n");
	exchange(&env, "SITE LRECL=80\r\n", "200 ok\r\n");
	exchange(&env, "PWD\r\n", "257 \"/dir\"\r\n");
	exchange(&env, "RNFR a\r\n", "350 to?\r\n");
	lose(&env);
	resume_connected(env.resume);
	own(&env, "", "220 hello\r\n");
	own(&env, "USER u\r\n", "331 password?\r\n");
	own(&env, "PASS secret\r\n", "230 in\r\n");
	own(&env, "CWD /dir\r\n", "250 there\r\n");
	own(&env, "opts mlst size;\r\n", "200 ok\r\n");
	own(&env, "TYPE A\r\n", "200 ok\r\n");
	own(&env, "OPTS UTF8 OFF\r\n", "200 ok\r\n");
	own(&env, "CWD sub\r\n", "250 ok\r\n");
	own(&env, "CDUP\r\n", "200 ok\r\n");
	own(&env, "SITE UMASK 077\r\n", "200 ok\r\n");
	own(&env, "SITE LRECL=80\r\n", "200 ok\r\n");
	own(&env, "PWD\r\n", "257 \"/dir\"\r\n");
	own(&env, "RNFR a\r\n", "350 to?\r\n");
	assert_int_equal(env.resumptions, 1);
	end(&env);
}

static void
test_server_answers_differently(void **state)
{
	struct resumeenv env;

	log_in(&env);
	exchange(&env, "PWD\r\n", "257 \"/dir\"\r\n");
	lose(&env);
	resume_connected(env.resume);
	own(&env, "", "421 too many\r\n");
	assert_true(env.failures == 1 && env.later);
	lose(&env);
	resume_connected(env.resume);
	own(&env, "", "220 hello\r\n");
	own(&env, "USER u\r\n", "331 password?\r\n");
	own(&env, "PASS secret\r\n", "530 no\r\n");
	assert_true(env.failures == 2 && !env.later);
	end(&env);
	log_in(&env);
	exchange(&env, "PWD\r\n", "257 \"/dir\"\r\n");
	lose(&env);
	resume_connected(env.resume);
	own(&env, "", "220 hello\r\n");
	own(&env, "USER u\r\n", "331 password?\r\n");
	own(&env, "PASS secret\r\n", "230 in\r\n");
	own(&env, "TYPE I\r\n", "200 ok\r\n");
	own(&env, "CWD /dir\r\n", "250 ok\r\n");
	own(&env, "PWD\r\n", "257 \"/other\"\r\n");
	assert_true(env.failures == 1 && !env.later);
	end(&env);
}

/* What nobody could make again. */
static void
test_not_survivable(void **state)
{
	static const char *const commands[][2] = {
		{ "AUTH TLS\r\n", "234 go\r\n" },
		{ "SITE EXEC x\r\n", "200 ok\r\n" },
		{ "XYZ\r\n", "200 ok\r\n" },
	};
	struct resumeenv env;
	const char *why;

	for (size_t i = 0; i < 3; i++) {
		log_in(&env);
		exchange(&env, commands[i][0], commands[i][1]);
		assert_false(resume_lost(env.resume, &why));
		end(&env);
	}
	log_in(&env);
	client_says(&env, "STAT\r\n");
	server_says(&env, "211-begins\r\n");
	assert_false(resume_lost(env.resume, &why));
	end(&env);
}

/* The client aborts, or its data connection is gone, before there is a server
 * again. */
static void
test_abort_while_lost(void **state)
{
	struct resumeenv env;

	download(&env, 60000);
	lose(&env);
	client_says(&env, "ABOR\r\n");
	assert_int_equal(env.cuts, 1);
	assert_memory_equal(env.client, "426 ", 4);
	assert_non_null(strstr(env.client, "\r\n226 "));
	env.client[0] = '\0';
	log_in_again(&env);
	exchange(&env, "NOOP\r\n", "200 ok\r\n");
	end(&env);
	for (int sends = 0; sends < 2; sends++) {
		if (sends)
			upload(&env, 90000, 90000);
		else
			download(&env, 60000);
		lose(&env);
		env.data = (struct resume_data) { .gone = true };
		resume_connected(env.resume);
		own(&env, "", "220 hello\r\n");
		own(&env, "USER u\r\n", "331 password?\r\n");
		own(&env, "PASS secret\r\n", "230 in\r\n");
		own(&env, "TYPE I\r\n", "200 binary\r\n");
		server_gets(&env, "CWD /dir\r\n");
		server_says(&env, "250 there\r\n");
		assert_memory_equal(env.client, "426 ", 4);
		env.client[0] = '\0';
		exchange(&env, "NOOP\r\n", "200 ok\r\n");
		end(&env);
	}
}

/* 426 and 226: each reply has its command; 226 only: nobody knows. */
static void
test_abort(void **state)
{
	struct resumeenv env;
	const char *why;

	download(&env, 100);
	client_says(&env, "ABOR\r\n");
	server_says(&env, "426 aborted\r\n226 ok\r\n");
	client_gets(&env, "426 aborted\r\n226 ok\r\n");
	assert_true(resume_lost(env.resume, &why));
	end(&env);
	download(&env, 100);
	client_says(&env, "ABOR\r\n");
	server_says(&env, "226 done\r\n");
	assert_false(resume_lost(env.resume, &why));
	end(&env);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_session),
		cmocka_unit_test(test_download_continues),
		cmocka_unit_test(test_download_with_rest),
		cmocka_unit_test(test_file_has_changed),
		cmocka_unit_test(test_lost_again),
		cmocka_unit_test(test_only_the_reply_is_lost),
		cmocka_unit_test(test_reply_before_the_data),
		cmocka_unit_test(test_upload_continues),
		cmocka_unit_test(test_upload_reply),
		cmocka_unit_test(test_upload_is_appended),
		cmocka_unit_test(test_upload_begins_again),
		cmocka_unit_test(test_append_continues),
		cmocka_unit_test(test_upload_is_cut),
		cmocka_unit_test(test_what_cannot_continue_is_cut),
		cmocka_unit_test(test_transfer_without_a_byte_is_repeated),
		cmocka_unit_test(test_unanswered_commands),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_server_answers_differently),
		cmocka_unit_test(test_not_survivable),
		cmocka_unit_test(test_abort_while_lost),
		cmocka_unit_test(test_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
