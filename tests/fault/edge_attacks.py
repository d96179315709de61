"""What an Envoy at the edge must do with calls that no till makes, each a line of G27."""

from __future__ import annotations

from tests.fault.edge import Attack
from tests.fault.edge_admin import admin_changes_nothing, admin_unreachable
from tests.fault.edge_bursts import (
    bodies_byte_by_byte_hold_up_nobody,
    bursts_of_pings_are_cut,
    bursts_of_resets_take_little,
    calls_beyond_the_most_are_refused_one_by_one,
    ping_floods_are_cut,
    rapid_resets_are_cut,
)
from tests.fault.edge_limits import (
    all_together_are_limited,
    connections_are_limited,
    full_heap_refuses_calls,
    idle_connections_make_room,
    open_breaker_is_503,
    open_streams_keep_nobody_out,
    slow_callers_are_cut,
    slow_handshakes_are_cut,
    too_many_calls_are_429,
)
from tests.fault.edge_requests import (
    bodies_over_http2,
    callers_headers_are_not_ours,
    headers_are_limited,
    large_basket_enters,
    larger_body_is_413,
    long_texts_hold_up_nobody,
    nothing_is_smuggled,
    old_and_pipelined_calls_are_served,
    paths_are_plain,
    reflection_is_off,
    what_was_cut_off_is_not_sent_again,
)
from tests.fault.edge_tls import (
    byte_handshakes_hold_up_nobody,
    byte_records_hold_up_nobody,
    hellos_hold_up_nobody,
)

ATTACKS = (
    Attack("the admin page is unreachable from outside", admin_unreachable, quick=True),
    Attack("limits can't be lifted while it runs", admin_changes_nothing, quick=True),
    Attack("an order of 500 full lines enters", large_basket_enters, quick=True),
    Attack("a body past 512 KiB is 413", larger_body_is_413, quick=True),
    Attack("bodies are taken over HTTP/2 alike", bodies_over_http2, quick=True),
    Attack("headers are limited", headers_are_limited, quick=True),
    Attack("paths are plain", paths_are_plain, quick=True),
    Attack("nothing is smuggled", nothing_is_smuggled, quick=True),
    Attack("old and pipelined calls are served", old_and_pipelined_calls_are_served, quick=True),
    Attack("reflection is off", reflection_is_off, quick=True),
    Attack("what was cut off is not sent again", what_was_cut_off_is_not_sent_again, quick=True),
    Attack("long texts hold up nobody", long_texts_hold_up_nobody, quick=True),
    Attack("bursts of pings are cut", bursts_of_pings_are_cut, quick=True),
    Attack(
        "calls beyond the most are refused one by one",
        calls_beyond_the_most_are_refused_one_by_one,
        quick=True,
    ),
    Attack("open streams keep nobody out", open_streams_keep_nobody_out),
    Attack("callers' headers are not ours", callers_headers_are_not_ours),
    Attack("too many calls of an address are 429", too_many_calls_are_429),
    Attack("too many calls of all are 429", all_together_are_limited),
    Attack("an open breaker is 503, a stuck server 504", open_breaker_is_503),
    Attack("a full heap refuses calls", full_heap_refuses_calls),
    Attack("connections are limited", connections_are_limited),
    Attack("idle connections make room", idle_connections_make_room),
    Attack("slow callers are cut", slow_callers_are_cut),
    Attack("silence and slow handshakes are cut", slow_handshakes_are_cut),
    Attack("rapid resets are cut", rapid_resets_are_cut),
    Attack("bursts of resets take little", bursts_of_resets_take_little),
    Attack("ping floods are cut", ping_floods_are_cut),
    Attack("bodies byte by byte hold up nobody", bodies_byte_by_byte_hold_up_nobody),
    Attack("TLS records of a byte hold up nobody", byte_records_hold_up_nobody),
    Attack("TLS handshakes byte by byte hold up nobody", byte_handshakes_hold_up_nobody),
    Attack("TLS hellos alone hold up nobody", hellos_hold_up_nobody),
)
