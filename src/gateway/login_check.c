/*
 * The check of a password.
 */
#include "gateway/login_check.h"

#include <crypt.h>
#include <errno.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/login_delay.h"
#include "limits.h"

enum login_check_state {
	LOGIN_WAITING,
	LOGIN_RUNNING,
	LOGIN_DELAYED,
	LOGIN_CLOSING,
};

struct login_check {
	TAILQ_ENTRY(login_check) next; /* of those that wait */
	struct login_checker *checker;
	enum login_check_state state;
	uv_work_t work;
	uv_timer_t timer;

	struct login_file *file;
	const struct login_user *user; /* NULL: the name is unknown */
	const char *hash;	       /* user's; or another one's */
	struct addr client;
	unsigned failures;
	/* One byte more than crypt(3) takes: what is longer is refused. */
	char password[CRYPT_MAX_PASSPHRASE_SIZE + 1];

	/* Written by the thread. */
	bool same;
	int err; /* the errno of crypt(3), or 0 */

	struct login_answer answer;
	login_check_cb *done; /* NULL once cancelled */
	void *ctx;
};

struct login_checker {
	uv_loop_t *loop;
	TAILQ_HEAD(, login_check) waiting;
	unsigned running;
	unsigned checks; /* that are not freed */
	bool freed;	 /* by the user; the last check frees it */
	struct login_delays delays;
};

struct login_checker *
login_checker_new(uv_loop_t *loop)
{
	struct login_checker *checker = calloc(1, sizeof(*checker));

	if (checker == NULL)
		return NULL;
	checker->loop = loop;
	TAILQ_INIT(&checker->waiting);
	return checker;
}

void
login_checker_free(struct login_checker *checker)
{
	if (checker == NULL)
		return;
	checker->freed = true;
	if (checker->checks == 0)
		free(checker);
}

/* ---- the end of a check ---- */

static void
login_check_on_close(uv_handle_t *timer)
{
	struct login_check *check = timer->data;
	struct login_checker *checker = check->checker;

	login_file_free(check->file);
	free(check);
	checker->checks--;
	if (checker->freed)
		login_checker_free(checker);
}

static void
login_check_close(struct login_check *check)
{
	check->state = LOGIN_CLOSING;
	explicit_bzero(check->password, sizeof(check->password));
	uv_close((uv_handle_t *)&check->timer, login_check_on_close);
}

static void
login_check_answer(uv_timer_t *timer)
{
	struct login_check *check = timer->data;

	login_check_close(check);
	check->done(check->ctx, &check->answer);
}

/* ---- the hash ---- */

/* Runs in a thread of the pool. */
static void
login_check_work(uv_work_t *work)
{
	struct login_check *check = work->data;
	struct crypt_data data = { .initialized = 0 };
	size_t len = strlen(check->hash);
	const char *hash =
	    crypt_rn(check->password, check->hash, &data, (int)sizeof(data));

	if (hash == NULL)
		check->err = errno;
	else
		check->same = strlen(hash) == len &&
		    memeql_sec(hash, check->hash, len) != 0;
	explicit_bzero(&data, sizeof(data));
	explicit_bzero(check->password, sizeof(check->password));
}

static void
login_check_judge(struct login_check *check, uint64_t now)
{
	struct login_answer *answer = &check->answer;
	char client[ADDR_TEXT_MAX];

	if (check->user == NULL)
		answer->why = "there is no such user";
	else if (check->user->disabled)
		answer->why = "the login of this user is disabled";
	else if (check->err == 0 || check->err == ERANGE)
		answer->why = "the password is wrong";
	else
		answer->why = strerrordesc_np(check->err);
	if (check->same && check->user != NULL && !check->user->disabled) {
		*answer = (struct login_answer) { .user = check->user };
		return;
	}
	answer->end = check->failures + 1 >= LIMIT_LOGIN_FAILURES;
	login_delay_note(&check->checker->delays,
	    login_delay_client(&check->client, client), now);
}

static void login_checker_pump(struct login_checker *checker);

/* Runs in the loop, after login_check_work(). */
static void
login_check_after(uv_work_t *work, int status)
{
	struct login_check *check = work->data;
	struct login_checker *checker = check->checker;
	char client[ADDR_TEXT_MAX];
	uint64_t now = uv_now(checker->loop);

	checker->running--;
	/* Otherwise it was cancelled before it began. */
	if (status == 0)
		login_check_judge(check, now);
	if (check->done == NULL) {
		login_check_close(check);
	} else {
		check->state = LOGIN_DELAYED;
		uv_timer_start(&check->timer, login_check_answer,
		    login_delay_get(&checker->delays,
			login_delay_client(&check->client, client), now),
		    0);
	}
	login_checker_pump(checker);
}

static void
login_checker_pump(struct login_checker *checker)
{
	struct login_check *check;

	while (checker->running < LIMIT_LOGIN_CHECKS &&
	    (check = TAILQ_FIRST(&checker->waiting)) != NULL) {
		TAILQ_REMOVE(&checker->waiting, check, next);
		checker->running++;
		check->state = LOGIN_RUNNING;
		uv_queue_work(checker->loop, &check->work, login_check_work,
		    login_check_after);
	}
}

/* ---- login_check.h ---- */

struct login_check *
login_check_start(struct login_checker *checker,
    const struct login_request *request, login_check_cb *done, void *ctx)
{
	struct login_check *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return NULL;
	check->checker = checker;
	checker->checks++;
	check->work.data = check;
	uv_timer_init(checker->loop, &check->timer);
	check->timer.data = check;
	check->file = login_file_keep(request->file);
	check->user = login_file_find(check->file, request->user);
	check->hash = check->user != NULL && !check->user->disabled ?
	    check->user->hash :
	    login_file_stand_in(check->file, request->user);
	check->client = *request->client;
	check->failures = request->failures;
	memcpy(check->password, request->password,
	    strnlen(request->password, sizeof(check->password) - 1));
	check->done = done;
	check->ctx = ctx;
	TAILQ_INSERT_TAIL(&checker->waiting, check, next);
	login_checker_pump(checker);
	return check;
}

void
login_check_cancel(struct login_check *check)
{
	if (check == NULL || check->state == LOGIN_CLOSING)
		return;
	check->done = NULL;
	if (check->state == LOGIN_WAITING)
		TAILQ_REMOVE(&check->checker->waiting, check, next);
	if (check->state == LOGIN_RUNNING)
		uv_cancel((uv_req_t *)&check->work);
	else
		login_check_close(check);
}
