/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_handshake.c - the handshake table: the stories that must hold, and every cell for what must
 * never happen in any.
 */
#include "common/util.h"
#include "tests/lib/test.h"
#include "xenbus/handshake.h"

/* A device as the supervisor would drive it: the state in the store follows the actions. */
struct world {
	enum handshake_state state;
	struct handshake_view view;
	enum handshake_action last;
};

static struct world new_world(void)
{
	return (struct world){
		.state = HANDSHAKE_NEW,
		.view =
			{
				.online = true,
				.own = XenbusStateInitialising,
				.wrote = XenbusStateInitialising,
				.front = XenbusStateInitialising,
			},
	};
}

static void write_own(struct world *w, enum xenbus_state state)
{
	w->view.own = w->view.wrote = state;
}

static void tell(struct world *w, enum handshake_event event)
{
	struct handshake_move move = handshake_next(w->state, event);

	w->state = move.next;
	w->last = move.action;
	if (move.action == HANDSHAKE_PUBLISH)
		write_own(w, XenbusStateInitWait);
	else if (move.action == HANDSHAKE_ANNOUNCE)
		write_own(w, XenbusStateConnected);
	else if (move.action == HANDSHAKE_CLOSE)
		write_own(w, XenbusStateClosing);
	else if (move.action == HANDSHAKE_FINISH)
		write_own(w, XenbusStateClosed);
	if (w->state == HANDSHAKE_NEW)
		w->view.wrote = XenbusStateInitialising;
}

static void look(struct world *w)
{
	tell(w, handshake_look(&w->view));
}

static void front(struct world *w, enum xenbus_state state)
{
	w->view.front = state;
	look(w);
}

static struct world connected(void)
{
	struct world w = new_world();

	look(&w);
	front(&w, XenbusStateInitialised);
	tell(&w, HANDSHAKE_SHARE_READY);
	w.view.front = XenbusStateConnected;
	return w;
}

static void connects_only_after_the_share_is_ready(void)
{
	struct world w = new_world();

	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
	CU_ASSERT_EQUAL(w.state, HANDSHAKE_WAIT);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
	front(&w, XenbusStateInitialised);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_START);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateInitWait);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
	tell(&w, HANDSHAKE_SHARE_READY);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_ANNOUNCE);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateConnected);
	front(&w, XenbusStateConnected);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
}

static void waits_for_ever_without_a_frontend_driver(void)
{
	struct world w = new_world();

	look(&w);
	for (int i = 0; i < 3; i++) {
		look(&w);
		CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
		CU_ASSERT_EQUAL(w.state, HANDSHAKE_WAIT);
	}
}

static void closing_stays_5_until_the_frontend_shows_6(void)
{
	struct world w = connected();

	front(&w, XenbusStateClosing);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STOP);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosing);
	look(&w);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosing);
	front(&w, XenbusStateClosed);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosed);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
}

static void unloaded_driver_closes_at_once_and_may_come_back(void)
{
	struct world w = connected();

	front(&w, XenbusStateClosed);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosed);
	front(&w, XenbusStateInitialised);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_START);
}

static void kexec_gets_a_new_round(void)
{
	struct world w = connected();

	front(&w, XenbusStateClosing);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	front(&w, XenbusStateClosed);
	front(&w, XenbusStateInitialising);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateInitWait);
}

static void reset_guest_that_did_not_close_gets_a_new_round(void)
{
	struct world w = connected();

	front(&w, XenbusStateInitialising);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STOP);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
}

static void new_rings_of_a_connected_frontend_are_taken(void)
{
	struct world w = connected();

	w.view.replaced = true;
	front(&w, XenbusStateInitialised);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STOP);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
}

static void share_that_cannot_start_closes_the_device(void)
{
	struct world w = new_world();

	look(&w);
	front(&w, XenbusStateInitialised);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosing);
	/* A frontend that stays where it is gets no second try. */
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
}

static void share_that_dies_closes_the_device(void)
{
	struct world w = connected();

	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosing);
}

static void toolstack_removal_ends_in_6_also_when_the_frontend_does_not_answer(void)
{
	struct world w = connected();

	w.view.online = false;
	w.view.own = XenbusStateClosing;
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STOP);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.state, HANDSHAKE_CLOSING);
	tell(&w, HANDSHAKE_TIMEOUT);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosed);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_CLEAR);
}

static void removal_of_a_dead_guest_ends_in_6_at_once(void)
{
	struct world w = connected();

	w.view.online = false;
	w.view.own = XenbusStateClosing;
	w.view.front = XenbusStateUnknown;
	look(&w);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.view.own, XenbusStateClosed);
}

static void device_in_the_place_of_an_old_one_starts_anew(void)
{
	struct world w = connected();

	w.view.own = XenbusStateInitialising;
	w.view.front = XenbusStateInitialising;
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STOP);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.state, HANDSHAKE_NEW);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
}

static void vanished_directory_is_forgotten_after_the_share_has_ended(void)
{
	struct world w = connected();

	w.view.dir_gone = true;
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STOP);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_FORGET);
}

static void no_cell_writes_into_a_vanished_directory(void)
{
	for (unsigned s = 0; s < HANDSHAKE_STATES; s++) {
		struct handshake_move move = handshake_next(s, HANDSHAKE_DIR_GONE);

		CU_ASSERT(move.action == HANDSHAKE_STOP || move.action == HANDSHAKE_FORGET ||
			  (s == HANDSHAKE_STOPPING && move.action == HANDSHAKE_STAY));
	}
}

static bool has_process(enum handshake_state state)
{
	return state == HANDSHAKE_STARTING || state == HANDSHAKE_CONNECTED ||
	       state == HANDSHAKE_STOPPING;
}

static void no_cell_loses_or_doubles_the_process(void)
{
	for (unsigned s = 0; s < HANDSHAKE_STATES; s++) {
		for (unsigned e = 0; e < HANDSHAKE_EVENTS; e++) {
			struct handshake_move move = handshake_next(s, e);

			if (has_process(s) && e != HANDSHAKE_SHARE_ENDED)
				CU_ASSERT(has_process(move.next));
			CU_ASSERT(move.action != HANDSHAKE_START || !has_process(s));
			CU_ASSERT(move.action != HANDSHAKE_STOP ||
				  (has_process(s) && move.next == HANDSHAKE_STOPPING));
			CU_ASSERT((move.next == HANDSHAKE_STARTING) ==
					  (move.action == HANDSHAKE_START ||
					   s == HANDSHAKE_STARTING) ||
				  move.next != HANDSHAKE_STARTING);
		}
	}
}

static void end_of_the_process_is_noted_whatever_the_store_says(void)
{
	/* A move that writes may fail; this one must not. */
	for (unsigned s = 0; s < HANDSHAKE_STATES; s++) {
		struct handshake_move move = handshake_next(s, HANDSHAKE_SHARE_ENDED);

		if (has_process(s))
			CU_ASSERT(move.action == HANDSHAKE_MOVE && !has_process(move.next));
	}
}

/* It has made new rings while nobody looked, and took the 4 that still stood there for an answer.
 */
static void frontend_that_shows_4_too_early_is_connected_again(void)
{
	struct world w = connected();

	w.view.replaced = true;
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STOP);
	tell(&w, HANDSHAKE_SHARE_ENDED);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
	w.view.replaced = false;
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_START);
}

static void state_2_is_never_written_over_itself(void)
{
	static const enum handshake_state at_2[] = {HANDSHAKE_WAIT, HANDSHAKE_STARTING};

	for (size_t i = 0; i < countof(at_2); i++) {
		for (unsigned e = 0; e < HANDSHAKE_EVENTS; e++)
			CU_ASSERT_NOT_EQUAL(handshake_next(at_2[i], e).action, HANDSHAKE_PUBLISH);
	}
}

static void what_another_backend_has_claimed_is_left_to_it(void)
{
	struct world w = new_world();

	w.view.own = XenbusStateInitWait;
	w.view.taken = true;
	look(&w);
	CU_ASSERT_EQUAL(w.state, HANDSHAKE_ELSEWHERE);
	for (unsigned state = 0; state <= XenbusStateClosed; state++) {
		front(&w, state);
		CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
	}
	w.view.own = XenbusStateClosing;
	w.view.online = false;
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_STAY);
	w.view.own = XenbusStateInitialising;
	w.view.online = true;
	w.view.taken = false;
	look(&w);
	CU_ASSERT_EQUAL(w.state, HANDSHAKE_NEW);
	look(&w);
	CU_ASSERT_EQUAL(w.last, HANDSHAKE_PUBLISH);
}

static void only_a_ready_share_is_announced(void)
{
	for (unsigned s = 0; s < HANDSHAKE_STATES; s++) {
		for (unsigned e = 0; e < HANDSHAKE_EVENTS; e++) {
			if (handshake_next(s, e).action == HANDSHAKE_ANNOUNCE)
				CU_ASSERT(s == HANDSHAKE_STARTING && e == HANDSHAKE_SHARE_READY);
		}
	}
}

static void everything_has_a_name(void)
{
	for (unsigned s = 0; s < HANDSHAKE_STATES; s++)
		CU_ASSERT_PTR_NOT_NULL(handshake_state_name(s));
	for (unsigned e = 0; e < HANDSHAKE_EVENTS; e++)
		CU_ASSERT_PTR_NOT_NULL(handshake_event_name(e));
}

static const struct test tests[] = {
	{"connects_only_after_the_share_is_ready", connects_only_after_the_share_is_ready},
	{"what_another_backend_has_claimed_is_left_to_it",
	 what_another_backend_has_claimed_is_left_to_it},
	{"waits_for_ever_without_a_frontend_driver", waits_for_ever_without_a_frontend_driver},
	{"closing_stays_5_until_the_frontend_shows_6", closing_stays_5_until_the_frontend_shows_6},
	{"unloaded_driver_closes_at_once_and_may_come_back",
	 unloaded_driver_closes_at_once_and_may_come_back},
	{"kexec_gets_a_new_round", kexec_gets_a_new_round},
	{"reset_guest_that_did_not_close_gets_a_new_round",
	 reset_guest_that_did_not_close_gets_a_new_round},
	{"new_rings_of_a_connected_frontend_are_taken",
	 new_rings_of_a_connected_frontend_are_taken},
	{"share_that_cannot_start_closes_the_device", share_that_cannot_start_closes_the_device},
	{"share_that_dies_closes_the_device", share_that_dies_closes_the_device},
	{"toolstack_removal_ends_in_6_also_when_the_frontend_does_not_answer",
	 toolstack_removal_ends_in_6_also_when_the_frontend_does_not_answer},
	{"removal_of_a_dead_guest_ends_in_6_at_once", removal_of_a_dead_guest_ends_in_6_at_once},
	{"device_in_the_place_of_an_old_one_starts_anew",
	 device_in_the_place_of_an_old_one_starts_anew},
	{"vanished_directory_is_forgotten_after_the_share_has_ended",
	 vanished_directory_is_forgotten_after_the_share_has_ended},
	{"no_cell_writes_into_a_vanished_directory", no_cell_writes_into_a_vanished_directory},
	{"no_cell_loses_or_doubles_the_process", no_cell_loses_or_doubles_the_process},
	{"end_of_the_process_is_noted_whatever_the_store_says",
	 end_of_the_process_is_noted_whatever_the_store_says},
	{"frontend_that_shows_4_too_early_is_connected_again",
	 frontend_that_shows_4_too_early_is_connected_again},
	{"state_2_is_never_written_over_itself", state_2_is_never_written_over_itself},
	{"only_a_ready_share_is_announced", only_a_ready_share_is_announced},
	{"everything_has_a_name", everything_has_a_name},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "handshake", tests, countof(tests));
}
