/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * handshake.pml - how a device connects, closes and comes back, when any of those who take part may
 * die at any step. The table is not copied here: the search calls xenbus/handshake.c. For the model
 * checker Spin; tests/spin/run.sh runs it.
 *
 * Who is there. A guest, whose kernel may unload and load the driver, shut down, crash, or be
 * replaced by another kernel (kexec), and which is one of two kinds: an OLD one makes its rings as
 * soon as it is loaded, a new one when it sees state 2. Whoever waits for a state may give up at once. A
 * toolstack that makes the device, takes it away (before the guest's half, behind it, with or
 * without patience, or writes 6 itself) and makes it anew. The supervisor (xen9pfsd/backend.c,
 * process.c), which knows nothing after its death but what stands in the store, in the arena and
 * in sockets' names. Up to two shares at a time: a keeper with its worker (keeper.c, share.c). A
 * killer ends supervisor, keeper, worker, or keeper and worker at once; CRASHES times in all.
 *
 * Each transaction of the store, and what is done in one go, is a step. New rings have other
 * numbers than those before. Left out: a toolstack that lies, several devices, another backend (the
 * fuzzer has one), the administrator's verbs, planned restarts, time.
 *
 * What is checked. Two workers never serve at once. Who writes 2, 5 or 6 has no rings mapped, and
 * writes over nothing but what it has seen, never into a directory that is gone. A session is
 * served to the rings that it began with. When nothing moves any more, each device is connected, and
 * to the rings that its frontend names; or waits for a frontend that is not there; or is closed; or
 * was taken away, and nothing is left of it.
 *
 * Each of these makes a mistake, and the check has to find it:
 *	-DLOOK_FIRST	an event is taken after the look at the store that it stands for
 *	-DOVERWRITE	a state is written whatever stands there by now
 *	-DNO_STOP	the state is written while the process still has the rings
 *	-DCLOSED_STAYS	state 6 is for ever
 *	-DFOUR_STAYS	a frontend that shows 4 is not connected again
 *	-DSTAYS_REMOVED	a device that was about to go stays so when it is made anew
 *	-DSAME_DEVICE	a device that was made anew is taken for the old one
 *	-DNO_CALL	a new supervisor does not ask whether somebody lives
 *	-DNOT_AGAIN	nor whether its share has a successor when it is to end
 *	-DBLIND_CALL	it does not ask with which rings
 *	-DBLIND_RESTORE	a session is restored for whatever rings there are
 *	-DLEFT_STARTING	a worker whose keeper died before it served is left alone
 */

#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MOVES
#define MOVES 2 /* of the guest */
#endif
#ifndef REMOVALS
#define REMOVALS 1
#endif

c_decl {
\#include "xenbus/handshake.h"
}

/* ---- the store ---- */

byte own = 1, front = 1; /* enum xenbus_state */
bool online = true;
byte keys;	  /* the rings that the frontend names; 0: none */
bool event = true; /* a watch has fired */

/* ---- the guest ---- */

bool old;	     /* its kind */
bool alive = true;
bool driver = true;  /* is loaded, */
bool probe = true;   /* and has not made its rings yet */
byte rings, granted; /* the newest; those that can be mapped */
byte moves = MOVES;
bool stale;	     /* what it is about to do is about a device that was made anew since */

/* ---- processes of shares ---- */

#define NOBODY 2
/* Workers. */
#define NONE 0
#define STARTING 1
#define MAPPED 2
#define SERVING 3
#define PAUSED 4 /* for a handover */
#define FAILED 5
#define DEAD 6

typedef share_t {
	bool keeper;
	byte worker;
	byte mapped;
	byte rings;	/* as CONTROL_START says */
	bool restores;	/* how it was started */
	bool receiving; /* the keeper, in a handover */
	/* Between them and the supervisor: */
	bool hears;
	bool tell_ready;
	bool ready, failed, willing;
	bool stop, hand
};
share_t share[2];
byte sock = NOBODY, sock_new = NOBODY; /* who listens at NAME.sock, NAME.sock.new */

/* The handover's socket. */
#define WITH_SUPERVISOR 1
#define WITH_WORKER 2
#define COMMITTED 3
byte handover;

/* The arena. */
#define EMPTY 1
#define USED 2
byte arena;   /* the file; 0: none */
byte session; /* of these rings; 0: none yet */

#define lives(i) (share[i].keeper || share[i].worker != NONE)
#define serves(i) (share[i].worker == SERVING)
#define nobody_mapped (share[0].mapped == 0 && share[1].mapped == 0)

/* ---- the supervisor ---- */

/* process.h */
#define PROCESS_NONE 0
#define PROCESS_CALLING 1
#define PROCESS_STARTING 2
#define PROCESS_SERVING 3
#define PROCESS_OFFERING 4
#define PROCESS_MOVING 5
#define PROCESS_STOPPING 6

bool up = true;
bool device; /* there is a struct backend; of that: */
byte state, wrote;
bool removed, patience /* deadline_ms */;
byte ps = PROCESS_NONE, now_ = NOBODY, next_ = NOBODY;
bool wanted, was_ready, prove;
byte known; /* process.start: the rings */

byte seen, move_next, action; /* of the present step */

/* ---- the table ---- */

/* look() and handshake_next(); `what`: another event than the store's. */
#define LOOK 255
byte what = LOOK;

inline consult()
{
	d_step {
		c_code {
			struct handshake_view view = {
				.dir_gone = now.own == 0,
				.own = now.own,
				.wrote = now.wrote,
				.front = now.front,
			};
			struct handshake_move move;
			enum handshake_event happened;

#ifndef STAYS_REMOVED
			if (view.own == 1)
				now.removed = 0;
#endif
			if (!now.online || (view.own != view.wrote && view.own >= 5))
				now.removed = 1;
#ifdef SAME_DEVICE
			if (view.own == 1)
				view.own = view.wrote;
#endif
			view.online = !now.removed;
			view.replaced = (view.front == 3 || view.front == 4) &&
					(now.state == HANDSHAKE_CONNECTED ||
					 now.state == HANDSHAKE_STARTING ||
					 now.state == HANDSHAKE_DROPPED) &&
					now.known != 0 && now.keys != 0 && now.keys != now.known;
			happened = now.what == 255 ? handshake_look(&view) : now.what;
			move = handshake_next(now.state, happened);
#ifdef CLOSED_STAYS
			if (now.state == HANDSHAKE_CLOSED && happened == HANDSHAKE_FRONT_INITIALISING)
				move.action = HANDSHAKE_STAY;
#endif
#ifdef FOUR_STAYS
			if (now.state == HANDSHAKE_WAIT && happened == HANDSHAKE_FRONT_CONNECTED)
				move.action = HANDSHAKE_STAY;
#endif
#ifdef NO_STOP
			if (move.action == HANDSHAKE_STOP)
				move = (struct handshake_move){HANDSHAKE_DROPPED, HANDSHAKE_MOVE};
#endif
			now.seen = now.own;
			now.move_next = move.next;
			now.action = move.action;
		};
		what = LOOK
	}
}

#define acts(a) c_expr { now.action == HANDSHAKE_##a }
#define is_in(s) c_expr { now.state == HANDSHAKE_##s }

/* ---- supervisor: the store ---- */

/* backend_write_state(), backend_publish(); a state that is further already stays. */
inline write_state(value)
{
	d_step {
		busy = false;
		if
		:: value != 2 && seen >= value -> wrote = seen
		:: else ->
			if
#ifndef OVERWRITE
			:: own == 0 -> wrote = value
			:: own != 0 && own != seen -> busy = true
#endif
			:: else ->
				assert(own == seen && own != 0);
				assert(value == 4 || nobody_mapped);
				own = value;
				wrote = value;
				event = true
			fi
		fi
	}
}

/* ---- supervisor: processes ---- */

#define gone(i) (i == NOBODY || !lives(i))

/* process_start(): a keeper, with what is in the store. */
inline start_process(fresh)
{
	if
	:: fresh ->
		d_step {
			arena = EMPTY;
			session = 0
		}
	:: else
	fi;
	d_step {
		now_ = (!lives(0) -> 0 : 1);
		assert(!lives(now_));
		sock_new = now_;
		known = keys;
		share[now_].keeper = true;
		share[now_].rings = keys;
		share[now_].restores = !fresh;
		share[now_].hears = true;
		share[now_].tell_ready = true;
		wanted = true;
		was_ready = !fresh;
		ps = PROCESS_STARTING
	}
	d_step { sock = sock_new; sock_new = NOBODY }
}

/* process_abandon() */
inline abandon()
{
	d_step {
		ps = PROCESS_NONE;
		wanted = false;
		was_ready = false;
		prove = false;
		now_ = NOBODY;
		next_ = NOBODY;
		arena = 0;
		session = 0;
		sock = NOBODY;
		sock_new = NOBODY
	}
}

inline kill_share(i)
{
	share[i].keeper = false;
	share[i].worker = NONE;
	share[i].mapped = 0;
	share[i].receiving = false;
	share[i].rings = 0;
	share[i].restores = false;
	share[i].tell_ready = false;
	share[i].stop = false;
	share[i].hand = false
}

/* peer_bury() */
inline bury(i)
{
	kill_share(i);
	share[i].hears = false;
	share[i].ready = false;
	share[i].willing = false;
	share[i].failed = false;
	i = NOBODY
}

/* start_over() */
inline start_over()
{
	d_step {
		if
		:: now_ != NOBODY -> kill_share(now_)
		:: else
		fi;
		if
		:: next_ != NOBODY -> kill_share(next_)
		:: else
		fi;
		handover = 0;
		ps = PROCESS_STOPPING
	}
}

/* restore() */
inline restore()
{
	if
	:: keys != 0 && was_ready -> start_process(false)
	:: keys != 0 && !was_ready -> start_process(true)
	:: keys == 0 -> abandon(); ended = true
	fi
}

/* nobody() */
inline nobody_there()
{
	if
	:: wanted && arena == USED -> ps = PROCESS_NONE; restore()
	:: else -> abandon(); ended = true
	fi
}

/* call(): state_dir_call() */
inline call()
{
	d_step {
		if
		:: (sock == NOBODY || !lives(sock)) && sock_new != NOBODY ->
			sock = sock_new;
			sock_new = NOBODY
		:: else
		fi;
		found = sock != NOBODY && lives(sock)
	}
	if
	:: found -> d_step { now_ = sock; share[now_].hears = true; found = false }
	:: else -> nobody_there()
	fi
}

/* process_stop() */
inline stop_process()
{
	d_step {
		wanted = false;
		if
		:: ps == PROCESS_NONE || ps == PROCESS_CALLING
		:: else ->
			if
			:: next_ != NOBODY && ps == PROCESS_OFFERING -> bury(next_)
			:: next_ != NOBODY && ps == PROCESS_MOVING -> kill_share(next_)
			:: else
			fi;
			if
			:: handover == WITH_SUPERVISOR -> handover = 0
			:: else
			fi;
			share[now_].stop = lives(now_);
			ps = PROCESS_STOPPING
		fi
	}
}

/* ---- supervisor: what the table says ---- */

/* step(), and the share's process before it, which takes several. `changed` tells whether there
 * may be a next one. */
inline step()
{
	if
	:: acts(START) && keys != 0 -> start_process(true)
	:: else
	fi;
	atomic {
		if
		:: acts(STAY) || acts(CLEAR)
		:: acts(MOVE) -> changed = true
		:: acts(PUBLISH) -> write_state(2); changed = !busy
		:: acts(START) && ps != PROCESS_NONE -> changed = true
		:: acts(START) && ps == PROCESS_NONE ->
			c_code { now.move_next = HANDSHAKE_CLOSING; };
			write_state(5);
			patience = removed;
			changed = !busy
		:: acts(ANNOUNCE) -> seen = 2; write_state(4); changed = !busy
		:: acts(STOP) -> stop_process(); changed = true
		:: acts(CLOSE) -> write_state(5); patience = removed; changed = !busy
		:: acts(FINISH) -> write_state(6); patience = false; changed = !busy
		:: acts(FORGET) -> assert(nobody_mapped); device = false
		fi;
		d_step {
			if
			:: changed ->
				changed = move_next != state;
				state = move_next;
				if
				:: is_in(NEW) -> wrote = 1; removed = false
				:: else
				fi
			:: else
			fi;
			busy = false;
			seen = 0;
			move_next = 0;
			action = 0;
			if
			:: !device ->
				state = 0;
				wrote = 0;
				removed = false;
				patience = false;
				known = 0
			:: else
			fi
		}
	}
}

/* run() */
inline run_table()
{
	do
	:: atomic {
		device ->
		consult();
		d_step {
			if
			:: is_in(CLOSING) && removed -> patience = true
			:: else
			fi
		}
	   }
		step();
		atomic {
			if
			:: !changed -> break
			:: else -> changed = false
			fi
		}
	:: !device -> break
	od
}

/* happened() */
#define happened(e) atomic { what = c_expr { HANDSHAKE_##e }; consult() } step(); changed = false; run_table()

inline tell_end()
{
	if
	:: ended -> ended = false; happened(SHARE_ENDED)
	:: else
	fi
}

/* adopt() and process_adopt() */
inline create()
{
	d_step {
		c_code {
			static const enum handshake_state states[] = {
				HANDSHAKE_NEW, HANDSHAKE_NEW, HANDSHAKE_WAIT, HANDSHAKE_NEW,
				HANDSHAKE_DROPPED, HANDSHAKE_CLOSING, HANDSHAKE_CLOSED,
			};
			now.device = 1;
			now.state = states[now.own];
			now.wrote = now.state == HANDSHAKE_NEW ? 1 : now.own;
			now.wanted = now.own == 4 || now.own == 2;
			now.prove = now.own != 4;
		};
		known = (wanted -> keys : 0);
		was_ready = true;
		ps = PROCESS_CALLING;
		adopting = true
	}
#ifdef NO_CALL
	nobody_there();
#else
	call();
#endif
	d_step {
		if
		:: !ended ->
			c_code {
				now.state = !now.wanted ? HANDSHAKE_STOPPING :
					    now.prove	? HANDSHAKE_STARTING :
							  HANDSHAKE_CONNECTED;
				if (!now.wanted)
					now.wrote = 4;
			}
		:: else -> ended = false
		fi;
		adopting = false
	}
	event = true
}

/* adopted() */
inline await_hello()
{
	d_step {
		ps = PROCESS_SERVING;
#ifndef BLIND_CALL
		known = share[now_].rings;
#endif
	}
	if
	:: !wanted -> stop_process()
	:: wanted && !share[now_].keeper
	:: wanted && share[now_].keeper && !prove -> was_ready = true
	:: wanted && share[now_].keeper && prove ->
		ps = PROCESS_STARTING;
		share[now_].tell_ready = true
	fi;
	run_table()
}

/* offer() */
inline offer()
{
	d_step {
		if
		:: sock_new != NOBODY && lives(sock_new)
		:: else ->
			next_ = 1 - now_;
			assert(!lives(next_));
			sock_new = next_;
			handover = WITH_SUPERVISOR;
			share[next_].keeper = true;
			share[next_].rings = known;
			share[next_].hears = true;
			share[next_].tell_ready = true;
			share[next_].receiving = true;
			share[next_].willing = true;
			ps = PROCESS_OFFERING
		fi
	}
}

/* all_gone() */
inline all_gone()
{
	d_step {
		now_ = NOBODY;
		next_ = NOBODY;
		if
		:: handover == WITH_SUPERVISOR -> handover = 0
		:: else
		fi
	}
	if
	:: wanted && !was_ready -> ps = PROCESS_NONE; restore()
#ifdef NOT_AGAIN
	:: !wanted -> abandon(); ended = true
#endif
	:: else -> ps = PROCESS_CALLING; prove = false; call()
	fi;
	tell_end()
}

#define can_hear(i) (i != NOBODY && share[i].hears)
/* What was said comes before the end of who said it. */
#define silent(i) (i == NOBODY || (!share[i].ready && !share[i].failed && !share[i].willing))
#define moving (ps == PROCESS_OFFERING || ps == PROCESS_MOVING)

inline tell_served()
{
	if
	:: is_in(STARTING) -> happened(SHARE_READY)
	:: else
	fi
}

inline says_ready()
{
	share[now_].ready = false;
	if
	:: ps == PROCESS_STARTING ->
		ps = PROCESS_SERVING;
		was_ready = true;
		tell_served()
	:: else
	fi
}

inline succeed()
{
	d_step {
		share[next_].ready = false;
		sock = sock_new;
		sock_new = NOBODY;
		now_ = next_;
		next_ = NOBODY;
		ps = PROCESS_SERVING
	}
	tell_served()
}

/* refused() */
inline refused()
{
	next_ = NOBODY;
	if
	:: share[now_].keeper -> ps = PROCESS_SERVING
	:: else -> start_over()
	fi
}

/* Whoever is waited for, and is gone, or has something to say; or the store has. */
inline serve()
{
end:	do
	:: event ->
#ifndef LOOK_FIRST
		event = false;
#endif
		if
		:: !device && (own != 0 || arena != 0) -> create()
		:: else
		fi;
		if
		:: device -> run_table()
		:: else
		fi;
#ifdef LOOK_FIRST
		event = false
#endif
	:: device && patience && is_in(CLOSING) ->
		patience = false;
		happened(TIMEOUT)
	:: ps == PROCESS_CALLING && gone(now_) -> call(); tell_end()
	:: ps == PROCESS_CALLING && !gone(now_) && (!share[now_].keeper -> serves(now_) :
	   share[now_].worker != STARTING && share[now_].worker != MAPPED) -> await_hello()
	:: ps > PROCESS_CALLING && can_hear(now_) && share[now_].ready -> says_ready()
	:: ps > PROCESS_CALLING && can_hear(now_) && share[now_].failed ->
		share[now_].failed = false;
		wanted = false;
		stop_process()
	:: ps == PROCESS_OFFERING && can_hear(next_) && share[next_].willing ->
		d_step {
			share[next_].willing = false;
			if
			:: lives(now_) -> handover = WITH_WORKER; share[now_].hand = true
			:: else -> handover = 0
			fi;
			ps = PROCESS_MOVING
		}
	:: ps == PROCESS_MOVING && can_hear(next_) && share[next_].ready -> succeed()
	:: next_ != NOBODY && share[next_].failed -> share[next_].failed = false
	:: ps == PROCESS_STOPPING && next_ != NOBODY && share[next_].ready ->
		share[next_].ready = false
	:: ps == PROCESS_SERVING && now_ != NOBODY && !share[now_].keeper && lives(now_) &&
	   !(sock_new != NOBODY && lives(sock_new)) -> offer()
	:: ps == PROCESS_STARTING && silent(now_) && !share[now_].keeper && lives(now_) ->
#ifdef LEFT_STARTING
		d_step { wanted = true; now_ = NOBODY; ps = PROCESS_NONE }
		restore();
		tell_end()
#else
		start_over()
#endif
	:: ps > PROCESS_CALLING && silent(now_) && silent(next_) && gone(now_) && gone(next_) ->
		all_gone()
	:: ps == PROCESS_OFFERING && gone(now_) && !gone(next_) ->
		d_step { bury(next_); handover = 0 }
	:: moving && silent(next_) && gone(next_) && !gone(now_) -> refused()
	od
}

proctype supervisor()
{
	bool changed, busy, ended, found, adopting;

	do
	:: serve() unless {
		d_step {
			!up ->
			up = true;
			event = true;
			changed = false;
			busy = false;
			ended = false;
			found = false;
			adopting = false
		}
	   }
	od
}

/* ---- keepers and workers ---- */

#ifdef BLIND_RESTORE
#define rings_of(i) share[i].rings
#else
#define rings_of(i) (session != 0 -> session : share[i].rings)
#endif

/* A worker maps its rings: those of its session, where there is one. */
inline map_rings(i)
{
	arena = USED;
	if
#ifndef BLIND_RESTORE
	:: share[i].restores && session != share[i].rings -> session = 0
#endif
	:: else
	fi;
	if
	:: granted == rings_of(i) && granted != 0 ->
		share[i].mapped = granted;
		share[i].worker = MAPPED
	:: else -> share[i].worker = FAILED
	fi
}

inline begin_session(i)
{
	assert(!serves(1 - i));
	assert(session == 0 || session == share[i].rings);
	session = share[i].mapped;
	share[i].restores = false;
	share[i].worker = SERVING
}

inline end_worker(i)
{
	share[i].worker = NONE;
	share[i].mapped = 0;
	if
	:: !share[i].keeper -> kill_share(i)
	:: else
	fi
}

proctype processes(byte i)
{
end:	do
	:: d_step {
		share[i].worker == STARTING -> map_rings(i)
	   }
	:: d_step {
		share[i].worker == MAPPED -> begin_session(i)
	   }
	/* Its keeper speaks, or the worker when it is alone. */
	:: d_step {
		share[i].worker == FAILED ->
		share[i].failed = share[i].hears;
		kill_share(i)
	   }
	:: d_step {
		serves(i) && share[i].hears && share[i].tell_ready ->
		share[i].tell_ready = false;
		share[i].ready = true
	   }
	:: d_step {
		share[i].keeper && !share[i].receiving && share[i].worker == NONE ->
		if
		:: share[i].stop -> kill_share(i)
		:: else -> share[i].worker = STARTING
		fi
	   }
	:: d_step {
		share[i].keeper && share[i].worker == DEAD -> share[i].worker = NONE
	   }
	:: d_step {
		serves(i) && share[i].stop -> end_worker(i)
	   }
	/* The handover. */
	:: d_step {
		serves(i) && share[i].hand && !share[i].stop -> share[i].worker = PAUSED
	   }
	:: d_step {
		share[i].worker == PAUSED ->
		if
		:: share[1 - i].receiving && handover == WITH_WORKER -> handover = COMMITTED
		:: else
		fi;
		kill_share(i)
	   }
	:: d_step {
		share[i].receiving && handover == COMMITTED ->
		handover = 0;
		share[i].receiving = false
	   }
	:: d_step {
		share[i].receiving &&
		(handover == 0 || (handover == WITH_WORKER && !lives(1 - i))) ->
		handover = 0;
		share[i].failed = share[i].hears;
		kill_share(i)
	   }
	od
}

/* ---- the toolstack ---- */

proctype toolstack()
{
	byte removals = REMOVALS;
	bool destroys;

end:	do
	:: removals > 0 ->
		removals--;
		/* A guest that is destroyed, or its device alone; the guest's half goes first, or
		 * last. */
		if
		:: d_step { destroys = true; alive = false; driver = false; granted = 0 }
		:: destroys = false
		fi;
		if
		:: destroys -> d_step { front = 0; keys = 0; event = true }
		:: true
		fi;
		d_step {
			online = false;
			own = (own == 6 -> 6 : 5);
			event = true
		}
		if
		:: true
		:: d_step { own = 6; event = true }
		fi;
		d_step {
			front = 0;
			keys = 0;
			own = 0;
			online = false;
			event = true;
			granted = 0;
			driver = false
		}
		if
		:: d_step {
			own = 1;
			front = 1;
			online = true;
			alive = true;
			driver = true;
			probe = true;
			stale = true;
			event = true
		   }
		:: true
		fi
	:: removals > 0 -> removals = 0
	od
}

/* ---- the guest ---- */

/* The keys in one transaction, the state in another. */
inline make_rings()
{
	d_step {
		if
		:: !stale ->
			rings++;
			granted = rings;
			keys = rings;
			probe = false
		:: else
		fi
	}
	set_front(3)
}

/* What is not there cannot be written. */
inline set_front(value)
{
	d_step {
		if
		:: front != 0 && alive && !stale -> front = value; event = true
		:: else
		fi
	}
}

#define shown (front != 0)

proctype guest()
{
	if
	:: old = true
	:: true
	fi;
end:	do
	:: stale -> stale = false
	:: alive && driver && probe && shown &&
	   (old -> front == 1 || front == 6 : front == 1 && own == 2) -> make_rings()
	:: alive && driver && !probe && front == 3 && own == 4 -> set_front(4)
	:: alive && driver && (front == 3 || front == 4) && (own == 5 || own == 6) -> set_front(6)
	:: alive && driver && probe && front == 1 && own == 6 && !old -> set_front(6)
	/* Moves. */
	:: moves > 0 -> moves = 0
	:: moves > 0 && alive && driver && front == 4 ->
		d_step { moves--; driver = false; granted = 0 }
		set_front(6)
	:: moves > 0 && alive && !driver && shown ->
		d_step { moves--; driver = true; probe = true }
	:: moves > 0 && alive -> d_step { moves--; alive = false; driver = false }
	:: moves > 0 && alive && driver && front == 4 ->
		moves--;
		set_front(5);
		d_step { alive = false; driver = false }
	:: moves > 0 && alive && shown -> /* kexec */
		d_step { moves--; driver = false; granted = 0 }
		if
		:: front == 4 || front == 6 ->
			set_front(5);
			set_front(6);
			set_front(1)
		:: else
		fi;
		/* A device in another state is none to Linux. */
		if
		:: front == 1 -> d_step { driver = true; probe = true }
		:: front != 1 && !stale -> alive = false
		:: else
		fi
	od
}

/* ---- death ---- */

inline kill_supervisor()
{
	up = false;
	device = false;
	state = 0;
	wrote = 0;
	removed = false;
	patience = false;
	ps = PROCESS_NONE;
	now_ = NOBODY;
	next_ = NOBODY;
	wanted = false;
	was_ready = false;
	prove = false;
	known = 0;
	seen = 0;
	move_next = 0;
	action = 0;
	what = LOOK;
	if
	:: handover == WITH_SUPERVISOR -> handover = 0
	:: else
	fi;
	share[0].hears = false;
	share[1].hears = false;
	share[0].ready = false;
	share[1].ready = false;
	share[0].failed = false;
	share[1].failed = false;
	share[0].willing = false;
	share[1].willing = false
}

proctype killer()
{
	byte crashes = CRASHES, i;

	do
	:: crashes == 0 -> break
	:: crashes > 0 -> crashes = 0
	:: d_step { crashes > 0 && up -> crashes--; kill_supervisor() }
	:: crashes > 0 ->
		if
		:: i = 0
		:: i = 1
		fi;
		if
		:: d_step {
			share[i].keeper ->
			share[i].keeper = false;
			share[i].receiving = false;
			share[i].tell_ready = true;
			if
			:: share[i].worker == NONE || share[i].worker == DEAD -> kill_share(i)
			:: else
			fi
		   }
		:: d_step {
			share[i].worker != NONE && share[i].worker != DEAD ->
			if
			:: share[i].keeper -> share[i].worker = DEAD; share[i].mapped = 0
			:: else -> kill_share(i)
			fi
		   }
		:: d_step { lives(i) -> kill_share(i) }
		:: true
		fi;
		i = 0;
		crashes--
	od
}

/* ---- the end ---- */

#define no_process (!lives(0) && !lives(1))
#define one_serves(i) (serves(i) && share[i].keeper && !lives(1 - i) && share[i].mapped == keys)

init {
	atomic {
		run supervisor();
		run processes(0);
		run processes(1);
		run toolstack();
		run guest();
		run killer()
	}
	timeout;
	assert(up);
	if
	:: own == 0 -> assert(no_process && !device && arena == 0)
	:: own == 1 -> assert(false)
	:: own == 2 -> assert(no_process && (front == 0 || front == 1))
	:: own == 4 ->
		assert(one_serves(0) || one_serves(1));
		assert(front == 4 || (front == 3 && !(alive && driver)));
		assert(ps == PROCESS_SERVING)
	:: own == 5 ->
		assert(no_process && online && !(alive && driver));
		assert(front == 3 || front == 4 || front == 5)
	:: own == 6 -> assert(no_process && arena == 0 && (!online || front > 3 || front == 0))
	fi
}
