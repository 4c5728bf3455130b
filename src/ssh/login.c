/*
 * Logins that choose the SSH account.
 */
#include "ssh/login.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/login_delay.h"
#include "limits.h"
#include "ssh/askpass.h"
#include "ssh/askpass_prompt.h"
#include "ssh/cmdline.h"
#include "ssh/links.h"
#include "ssh/reason.h"

/* The longest why of failed(). */
#define LOGIN_WHY_MAX (LIMIT_SSH_KEPT + 256)

enum ssh_login_state {
	LOGIN_DELAYED,
	LOGIN_QUEUED,
	LOGIN_TRYING,
	LOGIN_UP,
	LOGIN_ENDING, /* ssh has been told to end */
	LOGIN_OVER,   /* nothing of it runs */
};

struct ssh_login {
	TAILQ_ENTRY(ssh_login) next; /* in the queue */
	struct ssh_logins *logins;
	enum ssh_login_state state;
	uv_timer_t timer;
	struct link_options options;
	char *destination; /* of options; heap */
	struct account account;
	struct addr client;
	size_t place; /* of the link; 0: it has none */
	char directory[CMDLINE_DIRECTORY_MAX];
	struct links *links; /* one; NULL: not made yet */
	struct askpass *askpass;
	char password[LIMIT_SSH_PASSWORD + 1];
	bool for_sftp;
	bool given; /* ssh has the password */
	bool known; /* why it fails: */
	enum ssh_login_end end;
	char why[LOGIN_WHY_MAX];
	struct reason_wait examined;
	ssh_login_known_cb *examine;
	const struct ssh_login_handler *handler; /* NULL: closed */
	void *ctx;
};

struct ssh_logins {
	uv_loop_t *loop;
	TAILQ_HEAD(, ssh_login) queue;
	bool places[LIMIT_SSH_LOGINS + 1]; /* taken; from 1 */
	unsigned trying;
	unsigned n;  /* logins whose memory is not released */
	bool closed; /* by the owner */
	struct login_delays clients;
	struct login_delays accounts;
};

struct ssh_logins *
ssh_logins_new(uv_loop_t *loop)
{
	struct ssh_logins *logins = calloc(1, sizeof(*logins));

	if (logins == NULL)
		return NULL;
	logins->loop = loop;
	TAILQ_INIT(&logins->queue);
	return logins;
}

void
ssh_logins_free(struct ssh_logins *logins)
{
	if (logins == NULL)
		return;
	logins->closed = true;
	if (logins->n == 0)
		free(logins);
}

/* ---- the end ---- */

static void ssh_logins_pump(struct ssh_logins *logins);

static void
ssh_login_on_freed(uv_handle_t *handle)
{
	struct ssh_login *login = handle->data;
	struct ssh_logins *logins = login->logins;

	free(login->destination);
	free(login);
	logins->n--;
	if (logins->closed)
		ssh_logins_free(logins);
}

static void
ssh_login_wipe(struct ssh_login *login)
{
	explicit_bzero(login->password, sizeof(login->password));
}

/* Its ssh has ended, or never ran. */
static void
ssh_login_release(struct ssh_login *login)
{
	ssh_login_wipe(login);
	askpass_free(login->askpass);
	login->askpass = NULL;
}

/* Nothing of it runs, and nobody uses it. */
static void
ssh_login_free(struct ssh_login *login)
{
	reason_cancel(&login->examined);
	ssh_login_release(login);
	links_free(login->links);
	if (login->place != 0) {
		rmdir(login->directory);
		login->logins->places[login->place] = false;
	}
	uv_close((uv_handle_t *)&login->timer, ssh_login_on_freed);
}

/* From a timer, so that neither the link nor a call of the owner is below. */
static void
ssh_login_on_over(uv_timer_t *timer)
{
	struct ssh_login *login = timer->data;
	const struct ssh_login_handler *handler = login->handler;

	if (handler == NULL)
		ssh_login_free(login);
	else if (login->known)
		handler->failed(login->ctx, login->end, login->why);
}

/* From now on, it is over; the owner is told, unless it was up. */
static void
ssh_login_be_over(struct ssh_login *login)
{
	login->state = LOGIN_OVER;
	ssh_login_release(login);
	uv_timer_start(&login->timer, ssh_login_on_over, 0, 0);
	ssh_logins_pump(login->logins);
}

/* The account on its server, for the delays.  Returns text. */
static const char *
ssh_login_account(const struct ssh_login *login,
    char text[LOGIN_DELAY_NAME_MAX])
{
	const struct account *account = &login->account;

	snprintf(text, LOGIN_DELAY_NAME_MAX, "%s@%s:%u", account->user,
	    *account->host != '\0' ? account->host : login->destination,
	    account->port);
	return text;
}

static void
ssh_login_note_failure(const struct ssh_login *login)
{
	struct ssh_logins *logins = login->logins;
	char client[ADDR_TEXT_MAX], account[LOGIN_DELAY_NAME_MAX];

	login_delay_note(&logins->clients,
	    login_delay_client(&login->client, client), uv_now(logins->loop));
	login_delay_note(&logins->accounts, ssh_login_account(login, account),
	    uv_now(logins->loop));
}

/* Both delays protect: one the server from a client that tries many accounts,
 * the other one an account from many clients, for which a server locks it. */
static uint64_t
ssh_login_delay(const struct ssh_login *login)
{
	const struct ssh_logins *logins = login->logins;
	char client[ADDR_TEXT_MAX], account[LOGIN_DELAY_NAME_MAX];
	uint64_t of_client = login_delay_get(&logins->clients,
	    login_delay_client(&login->client, client), uv_now(logins->loop));
	uint64_t of_account = login_delay_get(&logins->accounts,
	    ssh_login_account(login, account), uv_now(logins->loop));

	return of_client > of_account ? of_client : of_account;
}

/* Notes why it fails, unless that is known. */
static void __attribute__((format(printf, 3, 4)))
ssh_login_judge(struct ssh_login *login, enum ssh_login_end end,
    const char *format, ...)
{
	va_list args;

	if (login->known)
		return;
	login->known = true;
	login->end = end;
	va_start(args, format);
	vsnprintf(login->why, sizeof(login->why), format, args);
	va_end(args);
	if (end == SSH_LOGIN_WRONG)
		ssh_login_note_failure(login);
}

/* Does not try any more. */
static void
ssh_login_tried(struct ssh_login *login)
{
	ssh_login_wipe(login);
	uv_timer_stop(&login->timer);
	login->logins->trying--;
}

/* It fails, for a reason that was noted: ends ssh. */
static void
ssh_login_fail(struct ssh_login *login)
{
	if (login->state != LOGIN_TRYING)
		return;
	ssh_login_tried(login);
	login->state = LOGIN_ENDING;
	links_stop(login->links);
}

static bool
login_ends_with(const char *why, const char *words)
{
	const char *last = why, *next;

	/* Only the last line counts: a banner may be before it. */
	while ((next = strstr(last, "; ")) != NULL)
		last = next + strlen("; ");
	return strstr(last, words) != NULL;
}

/* ssh has ended by itself. */
static void
ssh_login_judge_end(struct ssh_login *login, const char *why)
{
	bool denied = login_ends_with(why, "Permission denied") ||
	    login_ends_with(why, "Too many authentication failures");

	if (login->given)
		ssh_login_judge(login,
		    denied ? SSH_LOGIN_WRONG : SSH_LOGIN_UNREACHABLE,
		    denied ? "the SSH server refuses it: %s" :
			     "the connection was lost after the password was "
			     "sent: %s",
		    why);
	else if (denied)
		ssh_login_judge(login, SSH_LOGIN_NO_PASSWORDS,
		    "the SSH server takes no passwords from this user: %s; "
		    "see PasswordAuthentication and "
		    "KbdInteractiveAuthentication in its sshd_config",
		    why);
	else if (login_ends_with(why, "Host key verification failed"))
		ssh_login_judge(login, SSH_LOGIN_HOST_KEY,
		    "the host key of the SSH server is not in known_hosts, or "
		    "is another one there: %s; compare the key with that of "
		    "the server, and add it (ssh-keyscan, ssh-keygen -R)",
		    why);
	else
		ssh_login_judge(login, SSH_LOGIN_UNREACHABLE,
		    "ssh cannot connect: %s", why);
}

static void
ssh_login_on_down(void *ctx, bool was_up, const char *why)
{
	struct ssh_login *login = ctx;

	if (login->state == LOGIN_TRYING) {
		ssh_login_tried(login);
		ssh_login_judge_end(login, why);
	}
	ssh_login_be_over(login);
}

/* ---- an attempt ---- */

static void
ssh_login_on_up(void *ctx)
{
	struct ssh_login *login = ctx;

	if (login->state != LOGIN_TRYING)
		return;
	/* Some servers let a user in without a password ("none"). */
	if (!login->given) {
		ssh_login_judge(login, SSH_LOGIN_UNCHECKED,
		    "the SSH server lets this user in without a password, "
		    "so nobody has checked the client's");
		ssh_login_fail(login);
		return;
	}
	ssh_login_tried(login);
	login->state = LOGIN_UP;
	ssh_logins_pump(login->logins);
	if (login->handler != NULL)
		login->handler->up(login->ctx);
}

/* A question of ssh: the first is answered, if it is about the password. */
static void
ssh_login_on_asked(void *ctx, const char *prompt, bool own)
{
	struct ssh_login *login = ctx;
	enum askpass_prompt asks =
	    askpass_prompt_judge(prompt, login->account.user);
	char escaped[LOG_ESCAPED_MAX];
	int err;

	if (login->state != LOGIN_TRYING)
		return;
	if (own && !login->given && asks == ASKPASS_PASSWORD) {
		login->given = true;
		err = askpass_answer(login->askpass, login->password,
		    strlen(login->password));
		ssh_login_wipe(login);
		if (err == 0)
			return;
		ssh_login_judge(login, SSH_LOGIN_UNREACHABLE,
		    "ssh does not take the password: %s", strerror(-err));
	}
	log_escape(escaped, sizeof(escaped), prompt, strlen(prompt));
	if (!own)
		ssh_login_judge(login, SSH_LOGIN_QUESTION,
		    "an ssh that this one has started (ProxyJump?) asks "
		    "\"%s\"; the password is not for that host, which needs a "
		    "login with a key",
		    escaped);
	else if (login->given && asks == ASKPASS_PASSWORD)
		ssh_login_judge(login, SSH_LOGIN_WRONG,
		    "the SSH server refuses it, and asks again");
	else if (login->given && asks == ASKPASS_NEW_PASSWORD)
		ssh_login_judge(login, SSH_LOGIN_EXPIRED,
		    "the password has expired: the SSH server asks \"%s\"",
		    escaped);
	else
		ssh_login_judge(login, SSH_LOGIN_QUESTION,
		    "the SSH server asks \"%s\", which is not only a password",
		    escaped);
	ssh_login_fail(login);
}

static void
ssh_login_on_late(uv_timer_t *timer)
{
	struct ssh_login *login = timer->data;

	ssh_login_judge(login, SSH_LOGIN_UNREACHABLE,
	    "the login has taken longer than %d s", LIMIT_SSH_LOGIN_MS / 1000);
	ssh_login_fail(login);
}

/* Takes a place.  False: there is none. */
static bool
ssh_login_take_place(struct ssh_login *login)
{
	for (size_t i = 1; i <= LIMIT_SSH_LOGINS; i++) {
		if (login->logins->places[i])
			continue;
		login->logins->places[i] = true;
		login->place = i;
		return true;
	}
	return false;
}

/* Starts ssh.  0 or a negative errno. */
static int
ssh_login_run(struct ssh_login *login, const struct link_options *first)
{
	static const struct link_handler handler = {
		.up = ssh_login_on_up,
		.down = ssh_login_on_down,
	};
	uv_loop_t *loop = login->logins->loop;
	struct links_options links = {
		.max = 1,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	int err;

	if (!ssh_login_take_place(login))
		return -EUSERS;
	login->options =
	    cmdline_link_options(first, login->place, login->directory);
	login->options.account = &login->account;
	login->options.batch = false;
	login->options.timeouts = LINK_ALIVE | LINK_CONNECT;
	/* A session for SFTP does what that session would do. */
	login->options.session &= !login->for_sftp;
	login->options.explain |= login->for_sftp; /* ssh_login_examine() */
	if (mkdir(login->directory, 0700) != 0 && errno != EEXIST)
		return -errno;
	err = askpass_new(loop, login->directory, ssh_login_on_asked, login,
	    &login->askpass);
	if (err != 0)
		return err;
	links.link = &login->options;
	login->links = links_new(loop, &links, &handler, login);
	return login->links == NULL ? -ENOMEM :
				      links_start(login->links, false);
}

static void
ssh_login_try(struct ssh_login *login)
{
	const struct link_options first = login->options;
	int err = ssh_login_run(login, &first);

	if (err == 0) {
		login->state = LOGIN_TRYING;
		login->logins->trying++;
		uv_timer_start(&login->timer, ssh_login_on_late,
		    LIMIT_SSH_LOGIN_MS, 0);
		return;
	}
	if (err == -EUSERS)
		ssh_login_judge(login, SSH_LOGIN_UNREACHABLE,
		    "there are %d SSH connections of logins already",
		    LIMIT_SSH_LOGINS);
	else
		ssh_login_judge(login, SSH_LOGIN_UNREACHABLE,
		    "cannot run %s: %s", login->options.program,
		    strerror(-err));
	login->state = LOGIN_OVER;
	ssh_login_release(login);
	uv_timer_start(&login->timer, ssh_login_on_over, 0, 0);
}

static void
ssh_logins_pump(struct ssh_logins *logins)
{
	struct ssh_login *login;

	while (logins->trying < LIMIT_SSH_LOGINS_STARTING &&
	    (login = TAILQ_FIRST(&logins->queue)) != NULL) {
		TAILQ_REMOVE(&logins->queue, login, next);
		ssh_login_try(login);
	}
}

static void
ssh_login_on_delay_over(uv_timer_t *timer)
{
	struct ssh_login *login = timer->data;

	login->state = LOGIN_QUEUED;
	TAILQ_INSERT_TAIL(&login->logins->queue, login, next);
	ssh_logins_pump(login->logins);
}

/* ---- login.h ---- */

bool
ssh_login_takes(const char *password)
{
	size_t len = strlen(password);

	return len > 0 && len <= LIMIT_SSH_PASSWORD &&
	    strcspn(password, "\r\n") == len;
}

struct ssh_login *
ssh_login_start(struct ssh_logins *logins,
    const struct ssh_login_request *request,
    const struct ssh_login_handler *handler, void *ctx)
{
	struct ssh_login *login = calloc(1, sizeof(*login));

	if (login == NULL)
		return NULL;
	login->destination = strdup(request->link->destination);
	if (login->destination == NULL) {
		free(login);
		return NULL;
	}
	login->logins = logins;
	logins->n++;
	login->options = *request->link;
	login->options.destination = login->destination;
	login->account = *request->account;
	login->for_sftp = request->for_sftp;
	login->client = *request->client;
	snprintf(login->password, sizeof(login->password), "%s",
	    request->password);
	login->handler = handler;
	login->ctx = ctx;
	uv_timer_init(logins->loop, &login->timer);
	login->timer.data = login;
	uv_timer_start(&login->timer, ssh_login_on_delay_over,
	    ssh_login_delay(login), 0);
	return login;
}

struct links *
ssh_login_links(struct ssh_login *login)
{
	return login->links;
}

const char *
ssh_login_directory(const struct ssh_login *login)
{
	return login->directory;
}

static void
ssh_login_on_examined(void *ctx)
{
	struct ssh_login *login = ctx;

	login->examine(login->ctx,
	    reason_is_expiry(link_reason(links_first(login->links))));
}

static void
ssh_login_on_not_examined(uv_timer_t *timer)
{
	ssh_login_on_examined(timer->data);
}

void
ssh_login_examine(struct ssh_login *login, ssh_login_known_cb *known)
{
	login->examine = known;
	if (!link_examine(links_first(login->links), &login->examined,
		ssh_login_on_examined, login) &&
	    login->state == LOGIN_UP)
		uv_timer_start(&login->timer, ssh_login_on_not_examined, 0, 0);
}

void
ssh_login_stop(struct ssh_login *login)
{
	if (login->state != LOGIN_UP)
		return;
	login->state = LOGIN_ENDING;
	links_stop(login->links);
}

void
ssh_login_close(struct ssh_login *login)
{
	if (login == NULL)
		return;
	login->handler = NULL;
	ssh_login_wipe(login);
	reason_cancel(&login->examined);
	switch (login->state) {
	case LOGIN_QUEUED:
		TAILQ_REMOVE(&login->logins->queue, login, next);
		ssh_login_free(login);
		break;
	case LOGIN_DELAYED:
		ssh_login_free(login);
		break;
	case LOGIN_TRYING:
		ssh_login_fail(login);
		break;
	case LOGIN_UP:
		ssh_login_stop(login);
		break;
	case LOGIN_ENDING: /* ssh_login_on_down() follows */
		break;
	case LOGIN_OVER:
		uv_timer_start(&login->timer, ssh_login_on_over, 0, 0);
		break;
	}
}
