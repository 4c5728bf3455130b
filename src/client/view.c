/*
 * The full-screen view.
 */
#include "client/view.h"

#include <ctype.h>
#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "client/show.h"

#define VIEW_REFRESH_MS 1000

/* How many answers are kept.  Rates are averages of 5 seconds, because a
 * transfer with a limit (--rate) moves in steps. */
#define VIEW_ANSWERS 6

/* A line of the text, of which the screen shows a part. */
struct line {
	char *text;
	long session;	/* the one that begins here, or 0 */
	size_t culvert; /* index in instances */
};

struct view {
	struct instance *instances;
	size_t n;
	view_status_cb *status_of;
	void *ctx;
	json_t *answers[INSTANCES_MAX][VIEW_ANSWERS]; /* the latest first */
	int64_t at_ms; /* when they were requested */
	struct line *lines;
	long n_lines;
	size_t culvert;	    /* the one whose lines are being made */
	long selected;	    /* a session, or 0 */
	size_t selected_of; /* and its culvert */
	long top;	    /* the first line on the screen */
	bool hide_idle;
	bool confirming;	     /* whether to end the selected session */
	char said[INSTANCE_WHY_MAX]; /* at the bottom */
};

/* ---- the text ---- */

static void
forget_lines(struct view *view)
{
	for (long i = 0; i < view->n_lines; i++)
		free(view->lines[i].text);
	free(view->lines);
	view->lines = NULL;
	view->n_lines = 0;
}

static void
add_line(void *ctx, long session, const char *text)
{
	struct view *view = ctx;
	struct line *grown =
	    realloc(view->lines, (size_t)(view->n_lines + 1) * sizeof(*grown));
	char *copy = strdup(text);

	if (grown != NULL)
		view->lines = grown;
	if (grown == NULL || copy == NULL) {
		free(copy);
		return;
	}
	view->lines[view->n_lines++] =
	    (struct line) { copy, session, view->culvert };
}

/* Returns the oldest answer; NULL if there is only one. */
static const json_t *
oldest(json_t *const answers[VIEW_ANSWERS])
{
	size_t i = VIEW_ANSWERS;

	while (i > 1 && answers[i - 1] == NULL)
		i--;
	return i > 1 ? answers[i - 1] : NULL;
}

static void
make_lines(struct view *view)
{
	forget_lines(view);
	for (view->culvert = 0; view->culvert < view->n; view->culvert++) {
		json_t *const *answers = view->answers[view->culvert];
		const struct show_options options = {
			.before = oldest(answers),
			.columns = (unsigned)COLS,
			.hide_idle = view->hide_idle,
		};

		if (answers[0] == NULL)
			continue;
		show_status(answers[0], &options, add_line, view);
		add_line(view, 0, "");
	}
	/* The empty line is between culverts, not after the last. */
	if (view->n_lines > 0)
		free(view->lines[--view->n_lines].text);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Requests the status of all culverts.  Returns false, with the reason in why,
 * if none has answered. */
static bool
refresh_all(struct view *view, char why[INSTANCE_WHY_MAX])
{
	bool any = false;

	view->at_ms = now_ms();
	for (size_t i = 0; i < view->n; i++) {
		json_t **answers = view->answers[i];

		json_decref(answers[VIEW_ANSWERS - 1]);
		memmove(answers + 1, answers,
		    (VIEW_ANSWERS - 1) * sizeof(answers[0]));
		answers[0] = view->instances[i].fd < 0 ?
		    NULL :
		    view->status_of(view->ctx, &view->instances[i], why);
		any |= answers[0] != NULL;
	}
	return any;
}

/* ---- the screen ---- */

/* Writes as much of the text as fits on the line of the screen. */
static void
put_text(int row, const char *text)
{
	wchar_t wide[1024];
	size_t len = mbstowcs(wide, text, 1023);
	int columns = 0;

	move(row, 0);
	clrtoeol();
	if (len == (size_t)-1) {
		/* The locale does not have these letters. */
		for (; *text != '\0' && columns < COLS; text++, columns++)
			addch((unsigned char)*text < 0x80 ? (chtype)*text :
							    (chtype)'?');
		return;
	}
	for (size_t i = 0; i < len; i++) {
		int width = wcwidth(wide[i]);

		if (columns + (width > 0 ? width : 0) > COLS)
			break;
		columns += width > 0 ? width : 0;
		addnwstr(&wide[i], 1);
	}
}

/* The line of the selected session, or -1. */
static long
find_selected(const struct view *view)
{
	for (long i = 0; i < view->n_lines && view->selected != 0; i++)
		if (view->lines[i].session == view->selected &&
		    view->lines[i].culvert == view->selected_of)
			return i;
	return -1;
}

static long
rows(void)
{
	return LINES > 1 ? LINES - 1 : 1;
}

static bool
is_on_screen(const struct view *view, long at)
{
	return at >= view->top && at < view->top + rows() && at < view->n_lines;
}

/* Shows the text from that line on, but no empty rows behind the last line if
 * the text is long enough. */
static void
set_top(struct view *view, long top)
{
	long last = view->n_lines - rows();

	view->top = top > last ? last : top;
	if (view->top < 0)
		view->top = 0;
}

/* Chooses the line at the top so that the selected line stays on the screen
 * when others come and go. */
static void
settle_top(struct view *view)
{
	long at = find_selected(view);

	if (at >= 0 && at < view->top)
		view->top = at;
	if (at >= view->top + rows())
		view->top = at - rows() + 1;
	set_top(view, view->top);
}

/* Sets text to what the keys do, and which lines are shown. */
static void
say_keys(const struct view *view, char *text, size_t size)
{
	long end = view->top + rows();
	char place[80] = "";

	if (view->n_lines > rows())
		snprintf(place, sizeof(place), "   %ld-%ld of %ld",
		    view->top + 1, end < view->n_lines ? end : view->n_lines,
		    view->n_lines);
	snprintf(text, size,
	    "q quit%s   arrows select   PgUp/PgDn scroll   e end session   "
	    "i %s idle",
	    place, view->hide_idle ? "show" : "hide");
}

static void
draw(struct view *view)
{
	long selected = find_selected(view);
	char text[INSTANCE_WHY_MAX];

	erase();
	for (long at = view->top; is_on_screen(view, at); at++) {
		if (at == selected)
			attron(A_REVERSE);
		put_text((int)(at - view->top), view->lines[at].text);
		attroff(A_REVERSE);
	}
	if (view->confirming)
		snprintf(text, sizeof(text),
		    "End session %ld? Its transfers are cut. (y/n)",
		    view->selected);
	else if (view->said[0] != '\0')
		snprintf(text, sizeof(text), "%s", view->said);
	else
		say_keys(view, text, sizeof(text));
	/* A screen of one line shows this text only when it matters. */
	if (LINES > 1 || view->confirming || view->said[0] != '\0') {
		attron(A_BOLD);
		put_text(LINES - 1, text);
		attroff(A_BOLD);
	}
	refresh();
}

/* ---- keys ---- */

/* Scrolls by n lines, down if n is positive. */
static void
scroll_by(struct view *view, long n)
{
	set_top(view, view->top + n);
	if (!is_on_screen(view, find_selected(view)))
		view->selected = 0;
}

/* Selects the next or previous session if it is on the screen; else scrolls. */
static void
select_next(struct view *view, int step)
{
	long at = find_selected(view);

	if (at < 0)
		at = step > 0 ? view->top - 1 : view->top + rows();
	do
		at += step;
	while (is_on_screen(view, at) && view->lines[at].session == 0);
	if (is_on_screen(view, at)) {
		view->selected = view->lines[at].session;
		view->selected_of = view->lines[at].culvert;
	} else {
		scroll_by(view, step);
	}
}

static void
end_selected(struct view *view)
{
	json_t *answer;

	answer = instance_request(&view->instances[view->selected_of],
	    json_pack("{s:s, s:I}", "do", "end", "session",
		(json_int_t)view->selected),
	    view->said);
	if (answer != NULL)
		snprintf(view->said, sizeof(view->said),
		    "session %ld was ended", view->selected);
	json_decref(answer);
	view->selected = 0;
}

/* Acts on a key.  Returns false if the view must end. */
static bool
take_key(struct view *view, int key)
{
	if (view->confirming) {
		if (key == 'y' || key == 'Y')
			end_selected(view);
		view->confirming = view->confirming && key == ERR;
		return true;
	}
	if (key != ERR)
		view->said[0] = '\0';
	switch (key > 0 && key < 128 ? tolower(key) : key) {
	case 'q':
		return false;
	case 'e':
		view->confirming = find_selected(view) >= 0;
		if (!view->confirming)
			snprintf(view->said, sizeof(view->said),
			    "select a session first, with the arrow keys");
		break;
	case 'i':
		view->hide_idle = !view->hide_idle;
		break;
	case 'j':
	case KEY_DOWN:
		select_next(view, 1);
		break;
	case 'k':
	case KEY_UP:
		select_next(view, -1);
		break;
	case ' ':
	case KEY_NPAGE:
		scroll_by(view, rows());
		break;
	case KEY_PPAGE:
		scroll_by(view, -rows());
		break;
	case KEY_HOME:
		scroll_by(view, -view->n_lines);
		break;
	case KEY_END:
		scroll_by(view, view->n_lines);
		break;
	default:
		break;
	}
	return true;
}

/* Is the terminal gone?  Then getch() returns at once without a key.  SIGHUP
 * may be ignored. */
static bool
terminal_has_gone(void)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&keys, 1, 0) > 0 &&
	    (keys.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Runs until q is pressed (true), or no culvert answers or the terminal is gone
 * (false, with why). */
static bool
view_watch(struct view *view, char why[INSTANCE_WHY_MAX])
{
	int64_t left;

	for (;;) {
		if (!refresh_all(view, why))
			return false;
		if (terminal_has_gone()) {
			snprintf(why, INSTANCE_WHY_MAX,
			    "the terminal was closed");
			return false;
		}
		do {
			make_lines(view);
			settle_top(view);
			draw(view);
			left = view->at_ms + VIEW_REFRESH_MS - now_ms();
			timeout(left > 0 ? (int)left : 0);
			if (!take_key(view, getch()))
				return true;
		} while (now_ms() < view->at_ms + VIEW_REFRESH_MS);
	}
}

/* Returns false if the terminal cannot show the view. */
static bool
open_screen(void)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);
	const char *move_cursor = screen != NULL ? tigetstr("cup") : NULL;

	/* curses starts even on a terminal whose cursor it cannot move. */
	if (move_cursor != NULL && move_cursor != (const char *)(intptr_t)-1)
		return true;
	if (screen != NULL) {
		endwin();
		delscreen(screen);
	}
	return false;
}

bool
view_run(struct instance *instances, size_t n, view_status_cb *status_of,
    void *ctx, char why[INSTANCE_WHY_MAX])
{
	static struct view view;
	bool good;

	view = (struct view) {
		.instances = instances,
		.n = n,
		.status_of = status_of,
		.ctx = ctx,
	};
	setlocale(LC_CTYPE, "");
	if (!open_screen()) {
		snprintf(why, INSTANCE_WHY_MAX,
		    "the terminal type (TERM) cannot show a full screen; use "
		    "culvert status without -w");
		return false;
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	good = view_watch(&view, why);
	endwin();
	fflush(stdout);
	forget_lines(&view);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < VIEW_ANSWERS; j++)
			json_decref(view.answers[i][j]);
	}
	return good;
}
