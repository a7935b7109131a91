"""What the golden token classifiers are asked: every strategy, offsets of characters that are one
or two UTF-16 units, unknown words, and windows whose borders lie inside words.
"""

TOKEN_LABELS = {
    "entities": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    # Without B- and I-, and one with a dash of its own.
    "parts of speech": ["O", "NOUN", "VERB", "PRO-NOUN"],
}
STRATEGIES = ["none", "simple", "first", "average", "max"]

TEXT = "The sleeping Zoë isn't in 🎉 Łódź, is 日本 better?"
LONG = "I feel that sleepers never better 🎉🎉 dreaming; a lot of Zoë's naïve days, 日本 and I. "


def token_calls():
    yield TEXT, {"ignore_labels": []}
    yield LONG, {"ignore_labels": [], "aggregation_strategy": "average"}
    yield LONG, {"ignore_labels": [], "aggregation_strategy": "simple"}
    yield TEXT, {}
    for strategy in STRATEGIES:
        yield TEXT, {"aggregation_strategy": strategy}
        yield TEXT, {"aggregation_strategy": strategy, "ignore_labels": []}
        yield [TEXT, "", "Sleep. \u200d 🎉", "u.s. don't"], {"aggregation_strategy": strategy}
        yield LONG * 2, {"aggregation_strategy": strategy, "max_length": 20}
    yield TEXT, {"ignore_labels": ["B-PER", "NOUN"]}
    yield TEXT, {"aggregation_strategy": "simple", "ignore_labels": ["PER", "VERB", "O"]}
    for strategy in STRATEGIES[1:]:
        for max_length, stride in [(12, 4), (40, 10)]:
            windows = {"max_length": max_length, "stride": stride}
            yield LONG * 2, {"aggregation_strategy": strategy, **windows}
    yield LONG, {"aggregation_strategy": "simple", "max_length": 12, "stride": 0}
    yield LONG, {"aggregation_strategy": "max", "max_length": 9, "stride": 6}
    windows = {"aggregation_strategy": "first", "max_length": 10, "stride": 2}
    yield [LONG, "a lot", "", TEXT], {**windows, "ignore_labels": []}


TOKEN_CALLS = list(token_calls())


def byte_level_calls():
    """Fewer, of which the first tell most: here a character may be several tokens."""
    yield TEXT, {"ignore_labels": []}
    yield LONG, {"ignore_labels": [], "aggregation_strategy": "average"}
    yield LONG, {"ignore_labels": [], "aggregation_strategy": "simple"}
    yield LONG * 2, {}
    for strategy in STRATEGIES:
        yield TEXT, {"aggregation_strategy": strategy, "ignore_labels": []}
        texts = [" Sleep \u200d 🎉", "", "u.s.  don't", "a <mask> is</s>", "\u00a0day"]
        yield texts, {"aggregation_strategy": strategy}
    for strategy in STRATEGIES[1:]:
        windows = {"max_length": 15, "stride": 5}
        yield TEXT, {"aggregation_strategy": strategy, **windows}
    yield LONG, {"aggregation_strategy": "simple", "max_length": 12, "stride": 0}


BYTE_LEVEL_CALLS = list(byte_level_calls())
