"""The checklist for an Envoy at the edge: what the running proxy must be set to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MANAGER = "listener/filter_chains/0/filters/0/typed_config"
WHOLE = f"{MANAGER}/http_filters/2/typed_config"
RATES = f"{MANAGER}/http_filters/4/typed_config"
BUSY = f"{MANAGER}/http_filters/5/typed_config"
LIMIT = f"{BUSY}/gradient_controller_config"
TRANSCODER = f"{MANAGER}/http_filters/7/typed_config"
ROUTES = f"{MANAGER}/route_config/virtual_hosts/0/routes"
UPSTREAM = (
    "cluster/typed_extension_protocol_options/"
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
)
SWITCHED_OFF = {
    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
    "disabled": True,
}
NOT_WAITED_FOR = {"envoy.filters.http.buffer": SWITCHED_OFF}
GATE = f"{MANAGER}/http_filters/1/name"
WHOLE_GATE = f"{MANAGER}/http_filters/3/name"
TRAILERS = f"{MANAGER}/http_filters/8/typed_config/mutations/request_trailers_mutations/0"
CALLS = f"{ROUTES}/14"
KEYLESS_RATE = f"{ROUTES}/0/typed_per_filter_config/envoy.filters.http.local_ratelimit"
BREAKERS = "cluster/circuit_breakers/thresholds/0"
STREAM_BREAKERS = "cluster/circuit_breakers/thresholds/1"
MONITORS = "overload_manager/resource_monitors"
ACTIONS = "overload_manager/actions"
RUNTIME = "layered_runtime/layers/0/static_layer"
WITHOUT = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One line of the checklist.

    Attributes:
        line: What it says.
        path: Where the setting is in the configuration, lists by number.
        value: What it must be.
        broken: What a careless hand may make of it, to see that it is noticed; taken out if not
            given.
    """

    line: str
    path: str
    value: Any
    broken: Any = WITHOUT


SETTINGS = (
    Setting("admin for its own user", "admin/address/pipe/mode", 0o600, 0o666),
    Setting(
        "so much of a connection is read in a turn",
        "listener/per_connection_buffer_limit_bytes",
        16384,
    ),
    Setting("cluster buffer", "cluster/per_connection_buffer_limit_bytes", 524288),
    Setting("largest request body", f"{TRANSCODER}/max_request_body_size", 786432),
    Setting(
        "trailers of a call reach no server",
        f"{TRAILERS}/remove_on_match/key_matcher/safe_regex/regex",
        ".*",
        "x",
    ),
    Setting("largest response body", f"{TRANSCODER}/max_response_body_size", 4194304),
    Setting("client address is the socket's", f"{MANAGER}/use_remote_address", value=True),
    Setting(
        "nobody is internal",
        f"{MANAGER}/internal_address_config/cidr_ranges/0/address_prefix",
        "255.255.255.255",
        "127.0.0.1",
    ),
    Setting("paths are normalised", f"{MANAGER}/normalize_path", value=True),
    Setting("slashes are merged", f"{MANAGER}/merge_slashes", value=True),
    Setting(
        "escaped slashes are refused",
        f"{MANAGER}/path_with_escaped_slashes_action",
        "REJECT_REQUEST",
    ),
    Setting(
        "headers with underscores reach the gate, which drops them or refuses by name",
        f"{MANAGER}/common_http_protocol_options/headers_with_underscores_action",
        WITHOUT,  # A dump leaves out what is not asked for: ALLOW is nothing of that.
        "DROP_HEADER",
    ),
    Setting("header count", f"{MANAGER}/common_http_protocol_options/max_headers_count", 100),
    Setting("header size", f"{MANAGER}/max_request_headers_kb", 8),
    Setting("idle connections", f"{MANAGER}/common_http_protocol_options/idle_timeout", "600s"),
    Setting("idle streams", f"{MANAGER}/stream_idle_timeout", "15s"),
    Setting("time for an answer to be taken", f"{MANAGER}/stream_flush_timeout", "5s"),
    Setting("time for a request", f"{MANAGER}/request_timeout", "5s"),
    Setting("time for headers", f"{MANAGER}/request_headers_timeout", "3s"),
    Setting("time for the first byte", "listener/listener_filters_timeout", "3s"),
    Setting(
        "time for a handshake",
        "listener/filter_chains/0/transport_socket_connect_timeout",
        "5s",
    ),
    Setting("time for an answer", f"{CALLS}/route/timeout", "5s"),
    Setting("time for an answer about health", f"{ROUTES}/0/route/timeout", "1s"),
    Setting(
        "time for reflection",
        f"{ROUTES}/3/route/max_stream_duration/max_stream_duration",
        "1s",
    ),
    Setting("time to connect to the server", "cluster/connect_timeout", "1s"),
    Setting("streams", f"{MANAGER}/http2_protocol_options/max_concurrent_streams", 8),
    Setting("stream window", f"{MANAGER}/http2_protocol_options/initial_stream_window_size", 65536),
    Setting(
        "connection window",
        f"{MANAGER}/http2_protocol_options/initial_connection_window_size",
        1048576,
    ),
    Setting(
        "stream window to the server",
        f"{UPSTREAM}/explicit_http_config/http2_protocol_options/initial_stream_window_size",
        65536,
    ),
    Setting(
        "connection window to the server",
        f"{UPSTREAM}/explicit_http_config/http2_protocol_options/initial_connection_window_size",
        1048576,
    ),
    Setting(
        "a connection to the server is asked where it has been silent",
        f"{UPSTREAM}/explicit_http_config/http2_protocol_options/connection_keepalive",
        {"connection_idle_interval": "0.500s", "timeout": "3s"},
        {"connection_idle_interval": "60s", "timeout": "60s"},
    ),
    Setting(
        "trailers from the server",
        f"{UPSTREAM}/common_http_protocol_options/max_response_headers_kb",
        96,
    ),
    Setting("frames waiting", f"{MANAGER}/http2_protocol_options/max_outbound_frames", 10000),
    Setting(
        "control frames waiting",
        f"{MANAGER}/http2_protocol_options/max_outbound_control_frames",
        128,
    ),
    Setting(
        "empty frames",
        f"{MANAGER}/http2_protocol_options/max_consecutive_inbound_frames_with_empty_payload",
        1,
    ),
    Setting(
        "priority frames",
        f"{MANAGER}/http2_protocol_options/max_inbound_priority_frames_per_stream",
        100,
    ),
    Setting(
        "window updates",
        f"{MANAGER}/http2_protocol_options/max_inbound_window_update_frames_per_data_frame_sent",
        10,
    ),
    Setting(
        "streams reset before a connection is judged",
        f"{RUNTIME}/overload.premature_reset_total_stream_count",
        40,
    ),
    Setting(
        "life of a stream that was not reset early",
        f"{RUNTIME}/overload.premature_reset_min_stream_lifetime_seconds",
        1,
    ),
    Setting(
        "connections of the listener",
        f"{RUNTIME}/envoy.resource_limits.listener.edge.connection_limit",
        40000,
    ),
    Setting(
        "connections of all",
        f"{MONITORS}/1/typed_config/max_active_downstream_connections",
        50000,
        5,
    ),
    Setting("heap", f"{MONITORS}/0/typed_config/max_heap_size_bytes", 1073741824, 2147483648),
    Setting(
        "idle connections are cut the sooner the less memory is left",
        f"{ACTIONS}/0/typed_config/timer_scale_factors/0",
        {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "5s"},
        {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "600s"},
    ),
    Setting(
        "and so are answers that are not taken",
        f"{ACTIONS}/0/typed_config/timer_scale_factors/1",
        {"timer": "HTTP_DOWNSTREAM_STREAM_FLUSH", "min_timeout": "1s"},
    ),
    Setting(
        "from a fifth of it on",
        f"{ACTIONS}/0/triggers/0/scaled/scaling_threshold",
        0.2,
        0.4,
    ),
    Setting("to a half", f"{ACTIONS}/0/triggers/0/scaled/saturation_threshold", 0.5, 0.9),
    Setting(
        "action at 95 %",
        f"{ACTIONS}/1/name",
        "envoy.overload_actions.shrink_heap",
        "envoy.overload_actions.disable_http_keepalive",
    ),
    Setting("heap is shrunk at 95 %", f"{ACTIONS}/1/triggers/0/threshold/value", 0.95, 0.99),
    Setting(
        "action at 98 %",
        f"{ACTIONS}/2/name",
        "envoy.overload_actions.stop_accepting_requests",
        "envoy.overload_actions.stop_accepting_connections",
    ),
    Setting("calls are refused at 98 %", f"{ACTIONS}/2/triggers/0/threshold/value", 0.98, 0.999),
    Setting("rate of all, burst", f"{RATES}/token_bucket/max_tokens", 20000, 20001),
    Setting("rate of all", f"{RATES}/token_bucket/tokens_per_fill", 10000),
    Setting(
        "rate of an address, burst", f"{RATES}/descriptors/0/token_bucket/max_tokens", 10000, 10001
    ),
    Setting("rate of an address", f"{RATES}/descriptors/0/token_bucket/tokens_per_fill", 2000),
    Setting(
        "which strangers' calls do not spend",
        f"{RATES}/rate_limits/0/actions/0/header_value_match/headers/0/name",
        "loyalty-stranger",
        "loyalty-other",
    ),
    Setting(
        "they have their own",
        f"{RATES}/rate_limits/2/actions/0/request_headers/header_name",
        "loyalty-stranger",
        "loyalty-other",
    ),
    Setting("burst", f"{RATES}/descriptors/2/token_bucket/max_tokens", 10000, 10001),
    Setting("and rate", f"{RATES}/descriptors/2/token_bucket/tokens_per_fill", 2000),
    Setting("rate of a key, burst", f"{RATES}/descriptors/1/token_bucket/max_tokens", 250, 251),
    Setting("rate of a key", f"{RATES}/descriptors/1/token_bucket/tokens_per_fill", 25),
    Setting(
        "key is counted by its digest, not by what may be long",
        f"{RATES}/rate_limits/1/actions/0/request_headers/header_name",
        "loyalty-caller",
        "x-api-key",
    ),
    Setting("addresses told apart", f"{RATES}/max_dynamic_descriptors", 10000),
    Setting(
        "too many gRPC calls are RESOURCE_EXHAUSTED",
        f"{RATES}/rate_limited_as_resource_exhausted",
        value=True,
    ),
    Setting("whole calls only", f"{WHOLE}/max_request_bytes", 786432, 786433),
    Setting(
        "what the server cannot do soon is 429",
        f"{BUSY}/concurrency_limit_exceeded_status/code",
        "TooManyRequests",
        "ServiceUnavailable",
    ),
    Setting("soon", f"{LIMIT}/min_rtt_calc_params/fixed_value", "0.100s", "1s"),
    Setting("or a little later", f"{LIMIT}/min_rtt_calc_params/buffer/value", 25, 26),
    Setting("for every second call", f"{LIMIT}/sample_aggregate_percentile/value", 50, 51),
    Setting("fewest calls under way", f"{LIMIT}/min_rtt_calc_params/min_concurrency", 96),
    Setting(
        "most calls under way",
        f"{LIMIT}/concurrency_limit_params/max_concurrency_limit",
        256,
    ),
    Setting(
        "how often that is thought over",
        f"{LIMIT}/concurrency_limit_params/concurrency_update_interval",
        "0.100s",
        "10s",
    ),
    Setting("breaker: connections", f"{BREAKERS}/max_connections", 1024, 1025),
    Setting("breaker: waiting", f"{BREAKERS}/max_pending_requests", 1024, 1025),
    Setting("breaker: calls", f"{BREAKERS}/max_requests", 1024, 1025),
    Setting("breaker: retries", f"{BREAKERS}/retry_budget/budget_percent/value", 50, 51),
    Setting("breaker: fewest retries", f"{BREAKERS}/retry_budget/min_retry_concurrency", 128),
    Setting("breaker: open streams", f"{STREAM_BREAKERS}/max_requests", 64, 65),
    Setting(
        "a stream of events is let in as a whole call, of a stranger too",
        f"{ROUTES}/9/typed_per_filter_config/envoy.filters.http.buffer/buffer/max_request_bytes",
        65536,
        786432,
    ),
    Setting(
        "and does not count for adaptive concurrency",
        f"{ROUTES}/9/typed_per_filter_config/envoy.filters.http.adaptive_concurrency/disabled",
        value=True,
    ),
    Setting("health uses that breaker", f"{ROUTES}/0/route/priority", "HIGH"),
    Setting("reflection uses that breaker", f"{ROUTES}/3/route/priority", "HIGH"),
    Setting(
        "health is not watched through the edge", f"{ROUTES}/2/direct_response/status", 404, 403
    ),
    Setting(
        "nobody waits for the body of a call without a key",
        f"{ROUTES}/7/typed_per_filter_config",
        NOT_WAITED_FOR,
    ),
    Setting(
        "which has no x-api-key", f"{ROUTES}/7/match/headers/0/name", "x-api-key", "x-other-key"
    ),
    Setting(
        "nor an authorization", f"{ROUTES}/7/match/headers/1/name", "authorization", "x-other-key"
    ),
    Setting("the gate stands before what is kept", GATE, "loyalty.gate", "loyalty.other"),
    Setting("and before what is counted", WHOLE_GATE, "loyalty.gate.whole", "loyalty.other"),
    # Before a server on native there is a third.
    Setting(
        "what the gate tells reaches no server",
        f"{ROUTES[: ROUTES.rindex('/')]}/request_headers_to_remove/0",
        "loyalty-caller",
        "loyalty-other",
    ),
    Setting(
        "nor who is a stranger",
        f"{ROUTES[: ROUTES.rindex('/')]}/request_headers_to_remove/1",
        "loyalty-stranger",
        "loyalty-other",
    ),
    Setting(
        "a body of unknown length is short until its key has worked",
        f"{ROUTES}/10/typed_per_filter_config/envoy.filters.http.buffer/buffer/max_request_bytes",
        65536,
        786432,
    ),
    Setting(
        "which is of a stranger",
        f"{ROUTES}/10/match/headers/0/name",
        "loyalty-stranger",
        "loyalty-other",
    ),
    Setting(
        "questions about health spend nothing of the tills'",
        f"{KEYLESS_RATE}/token_bucket/max_tokens",
        1000,
        1001,
    ),
    Setting(
        "of one address",
        f"{KEYLESS_RATE}/descriptors/0/token_bucket/max_tokens",
        200,
        201,
    ),
    Setting(
        "nor does reflection",
        f"{ROUTES}/3/typed_per_filter_config/envoy.filters.http.local_ratelimit/token_bucket"
        "/max_tokens",
        1000,
        1001,
    ),
    Setting(
        "nor a browser's question",
        f"{ROUTES}/5/typed_per_filter_config",
        {
            f"envoy.filters.http.{name}": SWITCHED_OFF
            for name in ("grpc_web", "buffer", "adaptive_concurrency", "local_ratelimit")
        },
    ),
    Setting(
        "a connection has one call answered in a turn",
        f"{RUNTIME}/http.max_requests_per_io_cycle",
        1,
        100,
    ),
    Setting("how often memory is looked at", "overload_manager/refresh_interval", "0.100s", "1s"),
    Setting(
        "no panic: without a healthy server none is asked",
        "cluster/common_lb_config/healthy_panic_threshold",
        {},
    ),
    Setting(
        "a call is handed on only where no server has seen it",
        f"{CALLS}/route/retry_policy/retry_on",
        "connect-failure,refused-stream",
        "connect-failure,refused-stream,reset",
    ),
    Setting(
        "never to the server that failed",
        f"{CALLS}/route/retry_policy/retry_host_predicate/0/name",
        "envoy.retry_host_predicates.previous_hosts",
        "envoy.retry_host_predicates.omit_canary_hosts",
    ),
)


def by_part(bootstrap: dict[str, Any]) -> dict[str, Any]:
    """Name the parts of a configuration as the paths do."""
    static = bootstrap["static_resources"]
    return bootstrap | {"listener": static["listeners"][0], "cluster": static["clusters"][0]}


def running_parts(dump: dict[str, Any]) -> dict[str, Any]:
    """Name the parts of what a running Envoy shows at /config_dump."""
    kinds = {part["@type"].rpartition(".")[2]: part for part in dump["configs"]}
    return kinds["BootstrapConfigDump"]["bootstrap"] | {
        "listener": kinds["ListenersConfigDump"]["static_listeners"][0]["listener"],
        "cluster": kinds["ClustersConfigDump"]["static_clusters"][0]["cluster"],
    }


def found(parts: Any, path: str) -> Any:
    """Follow a path; return WITHOUT where it ends early."""
    for step in path.split("/"):
        try:
            parts = parts[int(step) if isinstance(parts, list) else step]
        except (LookupError, TypeError):
            return WITHOUT
    return parts


def is_as_told(parts: dict[str, Any], setting: Setting) -> bool:
    """Tell whether a setting is what the line says; a dump writes large numbers as text."""
    value = found(parts, setting.path)
    if isinstance(setting.value, int | float) and not isinstance(setting.value, bool):
        return value is not WITHOUT and str(value) == str(setting.value)
    return bool(value == setting.value)


def break_setting(config: dict[str, Any], setting: Setting) -> None:
    """Make a configuration wrong in one place."""
    path, _, last = setting.path.rpartition("/")
    place = found(by_part(config), path)
    step = int(last) if isinstance(place, list) else last
    if setting.broken is WITHOUT:
        del place[step]
    else:
        place[step] = setting.broken
