// The header in C++17: overloads, lambdas and scoped types get along with it.
#include <klatsch.h>

#include <string>
#include <string_view>

int main()
{
    klatsch_options_t *options = klatsch_options_new();
    klatsch_engine_t *engine = nullptr;
    klatsch_error_t *error = nullptr;
    const std::string address = "127.0.0.1:0";
    std::string seen;
    klatsch_code_t code = klatsch_options_listen(options, address.data(), address.size());
    if (code != KLATSCH_OK || klatsch_engine_new(options, &engine, &error) != KLATSCH_OK)
        return 1;
    klatsch_options_free(options);
    const auto on_event = [](void *user_data, const klatsch_event_t *event) {
        if (event->kind == KLATSCH_EVENT_MESSAGE && KLATSCH_HAS(event, klatsch_event_t, text))
            static_cast<std::string *>(user_data)->assign(event->text.bytes, event->text.length);
    };
    if (klatsch_engine_on_event(engine, on_event, &seen, nullptr, &error) != KLATSCH_OK
        || klatsch_engine_start(engine, &error) != KLATSCH_OK
        || klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("hello"), nullptr, &error)
            != KLATSCH_OK)
        return 2;
    if (klatsch_engine_free(engine) != KLATSCH_OK || klatsch_handle_count() != 0)
        return 3;
    return std::string_view(klatsch_code_name(code)) == "ok" && seen == "hello" ? 0 : 4;
}
