/*
 * Uploads of the gateway to OpenSSH's sftp-server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayenv.h"
#include "limits.h"

/* 5: the file is replaced at the end, and by all of the new one. */
static void
test_temporary_name(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_send_part(env, "STOR f", "new ", 4);
	gatewayenv_check(env, "f", "old", 3);
	gatewayenv_check(env, ".culvert-0101010101010101", "new ", 4);
	env->to_send = (const uint8_t *)"file";
	env->to_send_len = 4;
	env->eof_after = true;
	gatewayenv_expect(env, "226 The file was stored.");
	gatewayenv_check(env, "f", "new file", 8);
	assert_int_equal(gatewayenv_count(env), 1);
	gatewayenv_upload(env, "STOR f", "", 0, "226 ");
	gatewayenv_check(env, "f", "", 0);
}

/* 5: for servers that do not rename; another session may not write to it. */
static void
test_in_place(void **state)
{
	struct gatewayenv *env = *state;

	env->config.upload = GATEWAY_IN_PLACE;
	env->denied = "posix-rename,rename";
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old file", 8);
	snprintf(env->claimed, sizeof(env->claimed), "%s/f", env->directory);
	gatewayenv_upload(env, "STOR f", "new", 3, "450 ");
	gatewayenv_check(env, "f", "old file", 8);
	env->claimed[0] = '\0';
	gatewayenv_send_part(env, "STOR f", "new", 3);
	gatewayenv_check(env, "f", "new", 3);
	assert_int_equal(env->n_claims, 1);
	env->eof_after = true;
	gatewayenv_expect(env, "226 ");
	assert_int_equal(env->n_claims, 0);
	gatewayenv_check(env, "f", "new", 3);
}

/* 1, 6, 7: the server cannot write all of it, as on a full disk. */
static void
test_full_disk(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(3000000);

	env->file_limit = 1000000;
	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_upload(env, "STOR f", bytes, 3000000,
	    "552 The SFTP server cannot write; its disk may be full.");
	gatewayenv_check_undone(env);
	gatewayenv_upload(env, "STOR f", bytes, 999999, "226 ");
	gatewayenv_check(env, "f", bytes, 999999);
	free(bytes);
}

/* 3: the client may have been killed: the file is closed, but it takes its
 * place only at the end of the data connection. */
static void
test_announced_end(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	for (unsigned i = 0; i < 4; i++) {
		size_t sent;

		gatewayenv_send_part(env, "STOR f", "new\n", 4);
		sent = env->channels[0].sent;
		gateway_data_ending(env->gateway);
		assert_true(env->channels[0].sent > sent); /* CLOSE */
		GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
		sent = env->channels[0].sent;
		gatewayenv_check(env, "f", "old", 3);
		if (i == 0) {
			gatewayenv_say(env, "ABOR");
			gatewayenv_expect(env, "426 ");
			gatewayenv_expect(env, "226 ");
		} else if (i == 1) {
			env->data = ENV_DATA_NONE;
			gateway_data_lost(env->gateway);
			gatewayenv_expect(env, "426 ");
		} else if (i == 2) {
			gateway_data_eof(env->gateway);
			gatewayenv_expect(env, "226 ");
			gatewayenv_check(env, "f", "new\n", 4);
			gatewayenv_put(env, "f", "old", 3);
			continue;
		} else {
			gateway_control_end(env->gateway);
		}
		gatewayenv_check_undone(env);
	}
}

/* The same while the file is being opened, and with bytes on their way. */
static void
test_early_announced_end(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_data(env);
	gatewayenv_say(env, "STOR f");
	gateway_data_ending(env->gateway);
	gatewayenv_expect(env, "150 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	gatewayenv_check(env, "f", "old", 3);
	gateway_data_eof(env->gateway);
	gatewayenv_expect(env, "226 ");
	gatewayenv_check(env, "f", "", 0);
}

/* 6: what was written in place is cut back to the part without gaps. */
static void
test_full_disk_in_place(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(3000000);
	struct stat status;

	env->config.upload = GATEWAY_IN_PLACE;
	env->config.max_packet = 30000;
	env->file_limit = 995000;
	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_upload(env, "STOR f", bytes, 3000000, "552 ");
	assert_int_equal(stat(gatewayenv_path(env, "f"), &status), 0);
	/* The WRITE that ends behind the limit wrote a part. */
	assert_int_equal(status.st_size, 990000);
	gatewayenv_check(env, "f", bytes, (size_t)status.st_size);
	free(bytes);
}

/* 2, 3, 4: each way in which an upload ends too early. */
static void
test_cut(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_send_part(env, "STOR f", "new", 3);
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 The transfer was aborted.");
	gatewayenv_expect(env, "226 No transfer is running.");
	gatewayenv_check_undone(env);

	gatewayenv_send_part(env, "STOR f", "new", 3);
	env->data = ENV_DATA_NONE;
	gateway_data_lost(env->gateway);
	gatewayenv_expect(env, "426 The data connection was lost.");
	gatewayenv_check_undone(env);

	gatewayenv_data(env);
	gatewayenv_say(env, "STOR f");
	env->data = ENV_DATA_NONE;
	gateway_data_lost(env->gateway);
	gatewayenv_expect(env, "426 The data connection was lost.");
	gatewayenv_check_undone(env);

	gatewayenv_send_part(env, "STOR f", "new", 3);
	gateway_control_end(env->gateway);
	assert_int_equal(env->ended, 1);
	gatewayenv_check_undone(env);
}

/* 3: the end has been sent, and the server has not answered. */
static void
test_control_connection_lost_at_the_end(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_send_part(env, "STOR f", "new", 3);
	gateway_data_eof(env->gateway);
	gateway_control_end(env->gateway);
	gatewayenv_check_undone(env);
}

/* 21: the cleaner gets the temporary file that could not be removed. */
static void
test_lost_connection(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_send_part(env, "STOR f", "new", 3);
	gatewayenv_kill(env, 0);
	gatewayenv_expect(env, "426 The SSH connection was lost.");
	gatewayenv_check(env, "f", "old", 3);
	assert_int_equal(env->n_left_over, 1);
	assert_string_equal(env->left_over,
	    gatewayenv_path(env, ".culvert-0101010101010101"));
}

/* 21: nobody knows whether the file was created. */
static void
test_connection_lost_in_open(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_data(env);
	gatewayenv_say(env, "STOR f");
	gatewayenv_kill(env, 0);
	gatewayenv_expect(env, "426 ");
	assert_int_equal(env->n_left_over, 1);
}

/* 21: the file for the next upload is being opened beside the rename. */
static void
test_connection_lost_with_a_spare(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_upload(env, "STOR f", "older", 5, "226 ");
	/* Only then the server is asked whether it removes files. */
	gatewayenv_upload(env, "STOR f", "old", 3, "226 ");
	gatewayenv_send_part(env, "STOR f", "new", 3);
	gateway_data_eof(env->gateway);
	GATEWAYENV_UNTIL(env,
	    memmem(buf_bytes(&env->channels[0].out),
		buf_len(&env->channels[0].out), "posix-rename", 12) != NULL);
	gatewayenv_kill(env, 0);
	gatewayenv_expect(env, "426 ");
	assert_int_equal(env->n_left_over, 2);
}

/* A rename goes on without its client; if it fails, nothing is left. */
static void
test_client_lost_in_rename(void **state)
{
	for (unsigned fails = 0; fails < 2; fails++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		gatewayenv_start(env);
		gatewayenv_send_part(env, "STOR f", "new", 3);
		gateway_data_eof(env->gateway);
		GATEWAYENV_UNTIL(env,
		    memmem(buf_bytes(&env->channels[0].out),
			buf_len(&env->channels[0].out), "posix-rename",
			12) != NULL);
		if (fails)
			mkdir(gatewayenv_path(env, "f"), 0700);
		gateway_control_end(env->gateway);
		GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
		assert_int_equal(S_ISDIR(gatewayenv_mode(env, "f")), fails);
		assert_int_equal(gatewayenv_count(env), 1);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	(void)state;
}

/* 8: an upload replaces a file without the extension, too. */
static void
test_without_the_extension(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "posix-rename,fsync,limits";
	env->config.fsync = true;
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_upload(env, "STOR f", "new", 3, "226 ");
	gatewayenv_check(env, "f", "new", 3);
	assert_int_equal(gatewayenv_count(env), 1);
}

static void
test_rename_is_denied(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "posix-rename,rename";
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_upload(env, "STOR f", "new", 3,
	    "553 Permission denied, when the temporary file was renamed (");
	gatewayenv_check_undone(env);
	gatewayenv_upload(env, "STOR none/f", "new", 3, "553 No such file");
	gatewayenv_upload(env, "STOR .", "new", 3, "553 It is a directory.");
	gatewayenv_check_undone(env);
}

/* 10: REST and STOR; what was behind is replaced, too. */
static void
test_restart(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "0123456789", 10);
	gatewayenv_command(env, "REST 4", "350 ");
	gatewayenv_upload(env, "STOR f", "abc", 3, "504 ");
	gatewayenv_command(env, "REST 0", "350 ");
	gatewayenv_upload(env, "STOR g", "abc", 3, "226 ");
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_command(env, "REST 4", "350 ");
	gatewayenv_upload(env, "STOR f", "abc", 3, "226 ");
	gatewayenv_check(env, "f", "0123abc", 7);
	gatewayenv_command(env, "REST 7", "350 ");
	gatewayenv_upload(env, "STOR f", "defg", 4, "226 ");
	gatewayenv_check(env, "f", "0123abcdefg", 11);
	/* Only for the next transfer. */
	gatewayenv_upload(env, "STOR f", "x", 1, "226 ");
	gatewayenv_check(env, "f", "x", 1);
	gatewayenv_command(env, "REST 1", "350 ");
	gatewayenv_upload(env, "STOR none", "x", 1, "553 ");
	gatewayenv_command(env, "REST 2", "350 ");
	gatewayenv_send_part(env, "STOR g", "xyz", 3);
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 ");
	gatewayenv_expect(env, "226 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	gatewayenv_check(env, "g", "abxyz", 5);
}

/* 10 */
static void
test_append(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_upload(env, "APPE f", "abc", 3, "226 ");
	gatewayenv_upload(env, "APPE f", "def", 3, "226 ");
	gatewayenv_check(env, "f", "abcdef", 6);
	assert_int_equal(gatewayenv_count(env), 1);
}

/* 11: the reply names the file (RFC 1123 section 4.1.2.9). */
static void
test_store_unique(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	for (unsigned i = 0; i < 2; i++) {
		gatewayenv_data(env);
		env->to_send = (const uint8_t *)"abc";
		env->to_send_len = 3;
		env->eof_after = true;
		gatewayenv_say(env, i == 0 ? "STOU" : "STOU x");
		gatewayenv_expect(env,
		    i == 0 ? "150 FILE: ftp.01010101\r\n" :
			     "150 FILE: x.02020202\r\n");
		gatewayenv_expect(env, "226 ");
	}
	gatewayenv_check(env, "ftp.01010101", "abc", 3);
	gatewayenv_check(env, "x.02020202", "abc", 3);
	/* It never replaces one, and leaves none that is not complete. */
	env->random = 1;
	gatewayenv_upload(env, "STOU x", "def", 3, "553 ");
	gatewayenv_check(env, "x.02020202", "abc", 3);
	gatewayenv_data(env);
	gatewayenv_say(env, "STOU");
	gatewayenv_expect(env, "150 ");
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(gatewayenv_count(env), 2);
}

/* 12: line ends, split anywhere. */
static void
test_line_ends(void **state)
{
	struct gatewayenv *env = *state;
	static const char text[] = "a\r\nb\rc\n\r";
	const struct iovec piece = { (void *)(uintptr_t)text, 1 };

	gatewayenv_start(env);
	gatewayenv_send_part(env, "STOR f", "", 0);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		gateway_data_bytes(env->gateway,
		    &(struct iovec) { (char *)piece.iov_base + i, 1 }, 1);
	env->eof_after = true;
	gatewayenv_expect(env, "226 ");
	gatewayenv_check(env, "f", "a\nb\rc\n\r", 7);
	env->config.newline = NEWLINE_CRLF;
	gatewayenv_upload(env, "STOR f", "a\nb\r\n", 5, "226 ");
	gatewayenv_check(env, "f", "a\r\nb\r\n", 6);
	env->config.newline = NEWLINE_NONE;
	gatewayenv_upload(env, "STOR f", text, sizeof(text) - 1, "226 ");
	gatewayenv_check(env, "f", text, sizeof(text) - 1);
	env->config.newline = NEWLINE_LF;
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_upload(env, "STOR f", text, sizeof(text) - 1, "226 ");
	gatewayenv_check(env, "f", text, sizeof(text) - 1);
}

/* 22: nothing but creating, writing and renaming is permitted. */
static void
test_drop_directory(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "stat,lstat,fstat,setstat,fsetstat,opendir,readdir,read";
	gatewayenv_start(env);
	gatewayenv_upload(env, "STOR f", "new", 3, "226 ");
	gatewayenv_upload(env, "STOR f", "newer", 5, "226 ");
	gatewayenv_check(env, "f", "newer", 5);
	gatewayenv_upload(env, "APPE f", "x", 1, "551 ");
	gatewayenv_check(env, "f", "newer", 5);
}

/* Restarted behind the file's end, an upload is refused and changes nothing. */
static void
test_restart_behind_the_end_changes_nothing(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "0123456789", 10);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_command(env, "REST 11", "350 ");
	gatewayenv_upload(env, "STOR f", "abc", 3, "551 ");
	gatewayenv_check(env, "f", "0123456789", 10);
}

/* The temporary name is longer than the file's. */
static void
test_name_too_long(void **state)
{
	struct gatewayenv *env = *state;
	char line[4200] = "STOR /";

	gatewayenv_start(env);
	for (size_t i = strlen(line); i < 5 + 4090; i++)
		line[i] = i % 2 == 0 ? '/' : 'a';
	gatewayenv_upload(env, line, "abc", 3, "553 ");
	assert_int_equal(env->n_left_over, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_temporary_name),
		GATEWAY_TEST(test_in_place),
		GATEWAY_TEST(test_full_disk),
		GATEWAY_TEST(test_announced_end),
		GATEWAY_TEST(test_early_announced_end),
		GATEWAY_TEST(test_full_disk_in_place),
		GATEWAY_TEST(test_cut),
		GATEWAY_TEST(test_control_connection_lost_at_the_end),
		GATEWAY_TEST(test_lost_connection),
		GATEWAY_TEST(test_connection_lost_in_open),
		GATEWAY_TEST(test_connection_lost_with_a_spare),
		cmocka_unit_test(test_client_lost_in_rename),
		GATEWAY_TEST(test_without_the_extension),
		GATEWAY_TEST(test_rename_is_denied),
		GATEWAY_TEST(test_restart),
		GATEWAY_TEST(test_append),
		GATEWAY_TEST(test_store_unique),
		GATEWAY_TEST(test_line_ends),
		GATEWAY_TEST(test_drop_directory),
		GATEWAY_TEST(test_restart_behind_the_end_changes_nothing),
		GATEWAY_TEST(test_name_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
