/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * requests.pml - what happens to a request whose process is killed: the protocol between the
 * rings, the slots in memory that outlives the process, and its successors. For the model checker
 * Spin; tests/spin/run.sh runs it.
 *
 * Who is there. A guest sends three requests and waits for events: it looks for replies after one
 * only. A worker: a loop that owns rings and session, and a pool thread for each slot. A killer
 * ends the worker between any two stores, CRASHES times at most; a successor begins anew and finds
 * what stands under "shared" and "arena". All else is gone. Messages have size 1, so a position is
 * a count of them.
 *
 * What they send. 1 and 3 change a file and a fid, and cannot be repeated: the second time they say
 * EEXIST. 2 is a third one of that kind, or a read, or a Tflush of 1, sent at any time. After an
 * Rflush 3 has the tag of 1. With -DKEPT 1 is a large write.
 *
 * The way of a slot, store by store, and what a successor does that finds it there:
 *	take	record with `at`; TAKEN; private cons; shared out_cons; ASKING
 *		TAKEN: advance if private cons stands at `at`
 *	ask	intent BEGUN; the call; result; intent DONE
 *		ASKING: ask again. BEGUN turns "it is there" into success, DONE is the result.
 *	commit	redo record; its commit word redo_slot; the record's effects; SENDING; redo_slot = 0
 *		redo_slot: apply again, before any ask begins.
 *	put	`at`; PUTTING; bytes; private prod; shared in_prod; FREE; in the order of commits
 *		PUTTING: FREE if private prod has left `at`; else as SENDING.
 *	place	(a read, when no reply waits, in place of commit and put) the bytes, while ASKING; `at`;
 *		PLACED; private prod; shared in_prod; FREE
 *		PLACED: FREE if private prod has left `at`; else as ASKING.
 *	keep	(a large write, in place of take) record with `at`, kept; TAKEN; private cons; ... SENDING;
 *		shared out_cons; or the data is copied before the ask: kept no more; shared out_cons
 *		kept, before SENDING: the data is copied, kept no more; then as without. No shared
 *		out_cons before.
 * A Tflush finds a slot that is not committed and marks it in its redo record: that slot is freed
 * when its ask has come back, or by the successor. A slot that is committed is answered, before the
 * Rflush is.
 *
 * What is checked. Each request is answered once, with success, after its call was done once and
 * its effect on the fid was committed once; or it is flushed: then it is not answered after the
 * Rflush, its effect never came, and no successor begins it. The fid says what the last commit
 * said. Indices never run backwards, nor a ring over. In the end nobody waits, all slots are free
 * and all messages are consumed.
 *
 * Each of these makes a mistake, and the check has to find it:
 *	-DNO_INTENT	ask without looking at what a predecessor had begun
 *	-DNO_RETAKE	a successor does not finish a take
 *	-DSHARED_FIRST	put stores the shared index before the private one
 *	-DREDO_LAST	a successor applies the redo record after that
 *	-DNO_RESUME	a successor does not unmask and notify
 *	-DFLUSH_APART	the flushed slot is marked after its Tflush is committed
 *	-DFLUSH_LATE	a Tflush takes the reply of a slot that is committed
 *	-DANY_ORDER	replies are put in any order
 *	-DPLACED_IS_PUTTING	a successor looks for a reply that was placed where others stand
 *	-DPLACED_LATE	PLACED is stored after the private index
 * and with -DKEPT
 *	-DKEPT_SHOWN	a successor stores the shared out_cons first
 *	-DKEPT_LAST	a successor finishes takes before it copies what is kept
 *	-DKEPT_SHORT	the room of what is kept is handed back before the commit
 */

#ifndef CRASHES
#define CRASHES 3
#endif
#define SLOTS 2
#define OUT_SIZE 2
#define IN_SIZE 1

/* Slots. */
#define FREE 0
#define TAKEN 1
#define ASKING 2
#define SENDING 3
#define PUTTING 4
#define PLACED 5
/* Intents. */
#define NEW 0
#define BEGUN 1
#define DONE 2
/* Pool threads. */
#define IDLE 0
#define BEGIN 1
#define CALL 2
#define RESULT 3
#define BACK 4

/* Shared: indices, messages (id of the request; of the reply, ERROR added) and events. */
#define ERROR 8
byte out_prod, out_cons, in_prod, in_cons;
byte out_ring[OUT_SIZE];
byte in_ring[IN_SIZE];
bool back_event = false, back_masked = false, front_event = false;

/* Arena. */
typedef slot_t {
	byte state;
	byte id;
	byte tag;
	byte at;
	bool flushed;
	bool kept;
	byte intent;
	bool error;
	byte seq /* of its commit */
};
slot_t slot[SLOTS];
byte cons, prod; /* private, the truth */
byte redo_slot;	 /* 0: nothing is to be redone; else one more than the number of a slot */
byte redo_old;	 /* the same of the slot that is flushed */
byte redo_fid;	 /* what becomes of the fid; 0: nothing */
byte redo_seq;
byte next_seq;
byte fid;

/* The worker's memory. */
bool up = true;
byte thread[SLOTS]; /* the pool's, with what they know: */
bool again[SLOTS];  /* a predecessor had begun */
bool failed[SLOTS];
bool todo = true; /* look at the rings */
bool owed = false; /* an event, at the end of the round */
bool keeps = false; /* room in the ring */

/* The storage. */
bool made[4];

/* For the checks only. */
bool with_flush = false, with_read = false, with_kept = false;
byte tag_of[4];
bool sent[4], answered[4];
byte calls[4], commits[4];
byte fid_truth;
bool rflushed = false;
bool hit = false; /* the Tflush found its request */
bool hit_before; /* and its worker is dead */

#define is_flush(id) ((id) == 2 && with_flush)
#define is_read(id) ((id) == 2 && with_read)
#define is_large(id) ((id) == 1 && with_kept)
/* Its data is still the guest's. */
#define is_there(s) (out_ring[slot[s].at % OUT_SIZE] == slot[s].id)

/* ---- the guest ---- */

inline send(number, its_tag)
{
	d_step {
		out_ring[out_prod % OUT_SIZE] = number;
		tag_of[number] = its_tag;
		sent[number] = true;
		out_prod++;
		back_event = true
	}
}

inline receive()
{
	d_step {
		got = in_ring[in_cons % IN_SIZE];
		assert(got < ERROR);
		assert(sent[got] && !answered[got]);
		assert(commits[got] == 1);
		assert(is_flush(got) || is_read(got) || calls[got] == 1);
		assert(got != 1 || !rflushed);
		answered[got] = true;
		if
		:: is_flush(got) ->
			rflushed = true;
			assert(answered[1] == (commits[1] == 1))
		:: else
		fi;
		got = 0;
		in_ring[in_cons % IN_SIZE] = 0;
		in_cons++;
		back_event = true
	}
}

#define room (out_prod - out_cons < OUT_SIZE)

active proctype guest()
{
	byte got;

#ifdef KEPT
	with_kept = true;
#else
	if
	:: with_flush = true
	:: with_read = true
	:: skip
	fi;
#endif
	send(1, 1);
end:	do
	:: !sent[2] && room -> send(2, 2)
	:: !sent[3] && room -> send(3, (rflushed -> 1 : 3))
	:: front_event && in_prod != in_cons -> receive()
	:: d_step { front_event && in_prod == in_cons -> front_event = false }
	od
}

/* ---- the worker: a pool thread ---- */

proctype pool(byte me)
{
end:	do
	:: atomic {
		thread[me] == BEGIN ->
		assert(!(slot[me].id == 1 && hit_before));
		again[me] = slot[me].intent == BEGUN;
		if
		:: slot[me].intent == DONE -> thread[me] = BACK
		:: else ->
#ifndef NO_INTENT
			slot[me].intent = BEGUN;
#endif
			thread[me] = CALL
		fi
	   }
	:: atomic {
		thread[me] == CALL ->
		assert(!slot[me].kept || is_there(me));
		failed[me] = made[slot[me].id] && !again[me] && !is_read(slot[me].id);
		if
		:: !made[slot[me].id] -> calls[slot[me].id]++
		:: else
		fi;
		made[slot[me].id] = true;
		thread[me] = RESULT
	   }
	:: atomic {
		thread[me] == RESULT ->
		slot[me].error = failed[me];
		slot[me].intent = DONE;
		again[me] = false;
		failed[me] = false;
		thread[me] = BACK
	   }
	od
}

/* ---- the worker: the loop ---- */

/* What nobody reads any more is cleared, so that there are fewer states. */
inline release(number)
{
	d_step {
		slot[number].state = FREE;
		slot[number].id = 0;
		slot[number].tag = 0;
		slot[number].at = 0;
		slot[number].flushed = false;
		slot[number].kept = false;
		slot[number].intent = NEW;
		slot[number].error = false;
		slot[number].seq = 0
	}
}

inline set_state(number, to)
{
	d_step {
		slot[number].state = to;
		slot[number].at = (slot[number].kept && to < SENDING -> slot[number].at : 0)
	}
}

/* The room of what was kept. */
inline hand_back()
{
	keeps = false;
	out_cons = cons;
	owed = true
}

inline fetch(number)
{
	assert(is_there(number));
	d_step {
		slot[number].kept = false;
		slot[number].at = (slot[number].state == TAKEN -> slot[number].at : 0)
	}
}

/* The redo record's effects; any number of times. */
inline apply()
{
	if
	:: redo_fid != 0 -> fid = redo_fid
	:: else
	fi;
#ifndef FLUSH_APART
	if
	:: redo_old != 0 -> slot[redo_old - 1].flushed = true
	:: else
	fi;
#endif
	next_seq = redo_seq + 1;
	slot[redo_slot - 1].seq = redo_seq;
	slot[redo_slot - 1].state = SENDING;
	d_step {
		redo_slot = 0;
#ifndef FLUSH_APART
		redo_old = 0;
#endif
		redo_fid = 0;
		redo_seq = 0
	}
}

#ifdef FLUSH_LATE
#define can_flush(s) (slot[s].state != FREE && slot[s].state != PUTTING)
#else
#define can_flush(s) (slot[s].state == TAKEN || slot[s].state == ASKING)
#endif

inline find_old()
{
	d_step {
		redo_old = 0;
		other = 0;
		do
		:: other < SLOTS ->
			if
			:: other != s && can_flush(other) && !slot[other].flushed &&
			   slot[other].tag == 1 -> redo_old = other + 1
			:: else
			fi;
			other++
		:: else -> break
		od;
		other = 0
	}
}

inline commit()
{
#ifdef KEPT_SHORT
	if
	:: slot[s].kept -> hand_back()
	:: else
	fi;
#endif
	redo_old = 0;
	if
	:: is_flush(slot[s].id) -> find_old()
	:: else
	fi;
	redo_fid = (is_flush(slot[s].id) || is_read(slot[s].id) -> 0 : slot[s].id);
	redo_seq = next_seq;
	d_step {
		redo_slot = s + 1;
		commits[slot[s].id]++;
		fid_truth = (redo_fid != 0 -> redo_fid : fid_truth);
		if
		:: redo_old != 0 -> hit = true
		:: else
		fi
	}
	apply();
#ifdef FLUSH_APART
	if
	:: redo_old != 0 -> slot[redo_old - 1].flushed = true
	:: else
	fi;
#endif
	if
	:: slot[s].kept && keeps -> hand_back()
	:: else
	fi;
	todo = true
}

#define reply(s) (slot[s].id + (slot[s].error -> ERROR : 0))

#define in_room (prod - in_cons < IN_SIZE)

/* A reply that was written where it goes. */
inline place()
{
	in_ring[prod % IN_SIZE] = reply(s);
#ifndef PLACED_LATE
	slot[s].at = prod;
	slot[s].state = PLACED;
#endif
	d_step { prod++; commits[slot[s].id]++ }
#ifdef PLACED_LATE
	slot[s].at = prod - 1;
	slot[s].state = PLACED;
#endif
	in_prod = prod;
	release(s);
	owed = true;
	todo = true
}

#define none_waits (slot[0].state != SENDING && slot[1].state != SENDING)

/* The ask of slot `s` has come back, or it needs none. */
inline finish()
{
	if
	:: slot[s].flushed ->
		if
		:: slot[s].kept -> release(s); hand_back()
		:: else -> release(s)
		fi;
		todo = true
	:: !slot[s].flushed && is_read(slot[s].id) && none_waits && in_room -> place()
	:: else -> commit()
	fi
}

inline begin()
{
	set_state(s, ASKING);
	if
	:: slot[s].kept -> fetch(s); hand_back()
	:: skip
	fi;
	if
	:: is_flush(slot[s].id) -> finish()
	:: else -> thread[s] = BEGIN
	fi
}

inline advance()
{
	cons++;
	if
	:: !keeps -> out_cons = cons; owed = true
	:: else
	fi
}

inline take()
{
	d_step {
		assert(out_prod - cons <= OUT_SIZE);
		slot[s].id = out_ring[cons % OUT_SIZE];
		slot[s].tag = tag_of[slot[s].id];
		slot[s].at = cons;
		slot[s].kept = is_large(slot[s].id) && !keeps;
		slot[s].intent = NEW
	}
	slot[s].state = TAKEN;
	d_step { keeps = keeps || slot[s].kept };
	advance();
	begin()
}

inline put()
{
	slot[s].at = prod;
	slot[s].state = PUTTING;
	in_ring[prod % IN_SIZE] = reply(s);
#ifdef SHARED_FIRST
	in_prod = prod + 1;
	prod++;
#else
	prod++;
	in_prod = prod;
#endif
	release(s);
	owed = true
}

inline send_reply()
{
#ifdef FLUSH_LATE
	if
	:: slot[s].flushed -> release(s)
	:: else -> put()
	fi
#else
	assert(!slot[s].flushed);
	put()
#endif
}

#define free_slot(s) (slot[s].state == FREE && cons != out_prod)
#ifdef ANY_ORDER
#define first(s, o) (slot[s].state == SENDING)
#else
#define first(s, o) (slot[s].state == SENDING && \
		     (slot[o].state != SENDING || slot[s].seq < slot[o].seq))
#endif

inline round()
{
	if
	:: first(0, 1) && in_room -> s = 0; send_reply()
	:: first(1, 0) && in_room -> s = 1; send_reply()
	:: free_slot(0) -> s = 0; take()
	:: slot[0].state != FREE && free_slot(1) -> s = 1; take()
	:: else ->
		todo = false;
		if
		:: owed -> front_event = true; owed = false
		:: else
		fi;
		back_masked = false
	fi
}

inline settle()
{
	if
	:: slot[s].state == TAKEN ->
#ifndef NO_RETAKE
		if
		:: slot[s].at == cons -> advance()
		:: else
		fi;
#endif
		set_state(s, ASKING)
	:: slot[s].state == PUTTING && slot[s].at == prod -> set_state(s, SENDING)
	:: slot[s].state == PUTTING && slot[s].at != prod -> release(s)
#ifdef PLACED_IS_PUTTING
	:: slot[s].state == PLACED && slot[s].at == prod ->
		slot[s].error = true; /* whatever stands there */
		set_state(s, SENDING)
#else
	:: slot[s].state == PLACED && slot[s].at == prod -> set_state(s, ASKING)
#endif
	:: slot[s].state == PLACED && slot[s].at != prod -> release(s)
	:: else
	fi
}

inline take_up_kept()
{
	s = 0;
	do
	:: s < SLOTS && slot[s].kept && (slot[s].state == TAKEN || slot[s].state == ASKING) ->
		fetch(s)
	:: s < SLOTS && !(slot[s].kept && (slot[s].state == TAKEN || slot[s].state == ASKING)) ->
		s++
	:: else -> break
	od;
	s = 0
}

inline restart()
{
	if
	:: slot[s].state == ASKING && slot[s].flushed -> release(s)
	:: slot[s].state == ASKING && !slot[s].flushed -> begin()
	:: else
	fi
}

inline redo()
{
	if
	:: redo_slot != 0 -> apply()
	:: else
	fi
}

inline recover()
{
#ifdef KEPT_SHOWN
	out_cons = cons;
#endif
	in_prod = prod;
	assert(out_prod - cons <= OUT_SIZE && prod - in_cons <= IN_SIZE);
#ifndef NO_RESUME
	back_masked = false;
	front_event = true;
#endif
#ifndef REDO_LAST
	redo();
#endif
#ifndef KEPT_LAST
	take_up_kept();
#endif
	s = 0;
	settle();
	s = 1;
	settle();
#ifdef KEPT_LAST
	take_up_kept();
#endif
	out_cons = cons;
	s = 0;
	restart();
	s = 1;
	restart();
#ifdef REDO_LAST
	redo()
#endif
}

inline serve()
{
end_serve:
	do
	:: todo -> round()
	:: !todo && back_event && !back_masked ->
		d_step { back_event = false; back_masked = true; todo = true }
	:: thread[0] == BACK -> s = 0; thread[0] = IDLE; finish()
	:: thread[1] == BACK -> s = 1; thread[1] = IDLE; finish()
	od
}

active proctype loop()
{
	byte s, other;

	atomic { run pool(0); run pool(1) }
	do
	:: { recover(); serve() } unless {
		d_step {
			!up ->
			up = true;
			todo = true;
			owed = false;
			keeps = false;
			s = 0;
			other = 0;
			hit_before = hit
		}
	   }
	od
}

active proctype killer()
{
	byte crashes;

	do
	:: d_step {
		up && crashes < CRASHES ->
		up = false;
		thread[0] = IDLE;
		thread[1] = IDLE;
		again[0] = false;
		again[1] = false;
		failed[0] = false;
		failed[1] = false;
		crashes++
	   }
	:: break
	od
}

active proctype end_of_all()
{
	byte s;

	timeout;
	assert(sent[1] && sent[2] && sent[3]);
	assert(answered[2] && answered[3]);
	assert(answered[1] || (rflushed && hit && calls[1] <= 1 && commits[1] == 0));
	assert(fid == fid_truth && redo_slot == 0);
	assert(slot[0].state == FREE && slot[1].state == FREE);
	assert(cons == out_prod && out_cons == cons && in_prod == prod && in_cons == prod)
}
