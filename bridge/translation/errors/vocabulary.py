"""Words of refusals and what they contribute: the tables behind `wording`.

To teach the gateway a new wording, give a word its meaning here, or spell a phrase in words that
have one. `PHRASES` is also the list of exceptions: what reads like a refusal and is none.
"""

from __future__ import annotations

from enum import Flag, auto


class Meaning(Flag):
    """What a word contributes.

    PROMPT, CONTEXT, OUTPUT, OTHER   what has a size;  TOKENS, BYTES   in which unit
    LIMIT, USED    a number beside it is a bound, or what was sent
    COMPARE, SHORTEN, TOO + SIZE, SIZE + THAN   the size is beyond the bound
    RATE           a limit over time, or of money
    """

    NONE = 0
    PROMPT = auto()
    CONTEXT = auto()
    OUTPUT = auto()
    OTHER = auto()
    TOKENS = auto()
    BYTES = auto()
    LIMIT = auto()
    USED = auto()
    COMPARE = auto()
    SHORTEN = auto()
    TOO = auto()
    SIZE = auto()
    THAN = auto()
    RATE = auto()
    SUM = auto()


_LISTED: dict[Meaning, str] = {
    Meaning.PROMPT: (
        "prompt prompts input inputs message messages conversation history dialog dialogue query "
        "entrada entrée entree invite eingabe nachricht nachrichten mensaje mensajes mensagem "
        "mensagens konversation conversación запрос запроса промпт промпта сообщений ввод ввода"
    ),
    Meaning.CONTEXT: (
        "context contexto contexte kontext kontextlänge kontextfenster контекст контекста "
        "контекстного контекстное"
    ),
    Meaning.OUTPUT: (
        "completion completions output outputs generation generated maxtokens maxcompletiontokens "
        "maxoutputtokens maxnewtokens maxgentokens numpredict npredict maxtokenstosample "
        "ausgabe salida sortie saída response"
    ),
    Meaning.OTHER: (
        "string strings array list items image images picture pictures file files pdf pages audio "
        "video upload function functions tool tools schema schemas description stop temperature "
        "topp topk seed timeout header headers url name names depth nested nesting concurrent "
        "connections logprobs dimension dimensions batch thinking reasoning budget budgettokens "
        "id ids toolcallid metadata penalty document documents"
    ),
    Meaning.TOKENS: "token tokens токенов токены токена",
    Meaning.BYTES: "byte bytes kb mb kib mib character characters chars zeichen символов",
    Meaning.LIMIT: (
        "max maximum maximal limit limits limited window allowed allows allowable support supports "
        "supported capacity ceiling cap range available permitted threshold configured accepts "
        "only between máximo máxima maximale límite limite höchstens grenze maximo максимальный "
        "максимальную максимальная лимит лимита <= ≤ < ["
    ),
    Meaning.USED: (
        "requested got given contains contain has have resulted your provided received passed sent "
        "actual used submitted enthält contiene contient"
    ),
    Meaning.COMPARE: (
        "exceed exceeds exceeded exceeding overflow overflows overflowed surpass surpasses "
        "surpassed surpassing overlong oversized beyond above toolong toolarge outside excede "
        "exceden excedido excedida supera superan dépasse dépassent dépassé überschreitet "
        "überschritten überschreiten превышает превышен превышена ultrapassa > ≥ >= <= ≤"
    ),
    Meaning.SHORTEN: "reduce shorten shorter truncate compact trim kürzen réduire reducir",
    Meaning.TOO: "too zu demasiado trop muito слишком",
    Meaning.SIZE: (
        "length size count number amount total long longer large larger greater big bigger many "
        "much more high higher lang groß viele longueur longitud länge taille tamaño tamanho "
        "larga largo longue grande длинный длинное"
    ),
    Meaning.THAN: "than over >",
    Meaning.RATE: (
        "rate throttled throttling throttle tpm rpm tpd rpd minute minutes hour hours day daily "
        "second seconds wait quota credit credits billing balance afford subscription requests"
    ),
    Meaning.SUM: "+ plus sum combined",
}

WORDS: dict[str, Meaning] = {}
for _meaning, _words in _LISTED.items():
    for _word in _words.split():
        WORDS[_word] = WORDS.get(_word, Meaning.NONE) | _meaning

_IS_TOO_MUCH = " exceeds limit "
PHRASES: tuple[tuple[str, str], ...] = (
    # Exceptions: they hold the words of a refusal and say something else.
    ("context deadline exceeded", " "),
    ("input validation error", " "),
    ("input should", " value should"),
    ("invalid input parameter", " "),
    ("deserialize the json body", " "),
    ("maximum value for `max_tokens` is less than the `context_window`", " "),
    ("less than the context", " "),
    ("less than the `context", " "),
    ("must be greater than", " minimum "),
    ("should be greater than", " minimum "),
    ("at least", " minimum "),
    ("response_format", " "),
    ("response format", " "),
    ("exceeds limit (2013)", _IS_TOO_MUCH),
    # One spelling for what has many.
    ("maximum tokens you requested", " max_tokens "),
    ("maximum tokens value", " max_tokens "),
    ("max tokens must", " max_tokens must"),
    ("max tokens value", " max_tokens "),
    ("input and maximum output tokens", " input + max_tokens "),
    ("maximum output tokens", " max_tokens "),
    ("max_model_len", " max context length "),
    ("max_position_embeddings", " max context length "),
    ("n_ctx", " context length "),
    ("num_ctx", " context length "),
    ("contextwindow", " context window "),
    ("contextlength", " context length "),
    ("maxoutputtokens", " max_tokens "),
    ("longest answer", " max_tokens "),
    ("no more than", " limit "),
    ("at most", " limit "),
    ("up to", " limit "),
    ("less than or equal to", " <= "),
    ("less than", " <= "),
    ("smaller than", " <= "),
    ("must not exceed", _IS_TOO_MUCH),
    ("cannot exceed", _IS_TOO_MUCH),
    ("can't exceed", _IS_TOO_MUCH),
    ("should not exceed", _IS_TOO_MUCH),
    ("over the limit", _IS_TOO_MUCH),
    ("over limit", _IS_TOO_MUCH),
    ("not enough", _IS_TOO_MUCH),
    ("insufficient context", " context exceeds limit "),
    ("out of range", _IS_TOO_MUCH),
    ("not fit", _IS_TOO_MUCH),
    ("n't fit", _IS_TOO_MUCH),
    ("ran out of", _IS_TOO_MUCH),
    ("run out of", _IS_TOO_MUCH),
    ("limit reached", _IS_TOO_MUCH),
    ("limit_reached", _IS_TOO_MUCH),
    ("limit was reached", _IS_TOO_MUCH),
    ("limit has been reached", _IS_TOO_MUCH),
)

_FOREIGN: dict[str, str] = {
    "max context length": "上下文长度 上下文窗口 上下文長度 コンテキスト長 コンテキスト長さ",
    "context": "上下文 コンテキスト コンテクスト 컨텍스트 문맥",
    "max_tokens": "最大输出 输出长度 输出 出力 출력",
    "prompt": "输入 輸入 提示词 提示詞 提示 消息 入力 プロンプト 입력 프롬프트 对话 對話 文本",
    "tokens": "令牌 词元 トークン 토큰",
    "limit": "最大 上限 限制 限度 最长 允许 許容 制限 최대 제한 허용 范围 範囲 取值",
    "exceeds": (
        "超过 超出 超過 超え 超長 超长 过长 過長 太长 太長 过大 过多 太大 大于 초과 너무 長すぎ 넘"
    ),
    "length": "长度 長さ 길이",
    "rate wait": "频率 速率 每分钟 请稍后 稍后再试 余额 充值 レート 分당",
}
FOREIGN: tuple[tuple[str, str], ...] = tuple(
    sorted(
        ((text, f" {word} ") for word, listed in _FOREIGN.items() for text in listed.split()),
        key=lambda pair: -len(pair[0]),
    )
)
"""Characters of languages that set no spaces -> words of ours, the longest first."""
