"""The rules by which `training.collect.filters` judges names: a table, in six languages.

A text is folded before it is searched (`training.collect.filters.fold`): no accents, no
capitals, so that ``version`` is *versión*, too, and ``a capela`` *à capela*. The languages
are English, Spanish, French, German, Portuguese and some Italian: in the others the noun
stands first (*versión piano*, *version karaoké*).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SPARED = frozenset({"Ambient", "Classical", "Jazz"})
"""Genres in which a piano, no singer or a dedication say nothing against a recording."""

_INSTRUMENT = (
    r"(?:piano(?:forte)?s?|klavier|violin[eo]?s?|violons?|geigen?|viola|(?:violon)?cell[oei]s?"
    r"|violoncelo|harp[ae]?|harfen?|guitarr?[ae]?s?|gitarren?|chitarra|violao|ukulele|banjo"
    r"|mandolin[ae]?|sax(?:o[fph]+on[eo]?)?|trumpet|trompeta|brass|pan ?flute|panpipes?|panflote"
    r"|flut[ae]|flauta|flote|harmonica|accordion|akkordeon|acordeon|organ|orgel|marimba|kalimba"
    r"|handpan|steel ?drums?|kazoo|bagpipes?|strings?|string orchestra|streicher|streichquartett"
    r"|cuarteto de cuerdas?|quarteto de cordas|quatuor a cordes|orchest(?:ra|er|re)(?:le?)?"
    r"|orquesta(?:l)?|orquestra(?:l)?|s[iy]mphoni(?:c|que)|sinfonica|music ?box|spieluhr"
    r"|caja de musica|caixinha de musica|boite a musique|carillon|(?:8|16)[- ]?bit|chiptune"
    r"|cavaquinho|bandoneon|charango|quena|sanfona|zither|dudelsack|blockflote"
    r"|[ck]larinet(?:te|[eo])?)"
)
_STYLE = (
    r"(?:bossa(?: nova)?|lo-?fi|smooth jazz|big band|brass band|marching band|medieval|bardcore"
    r"|celtic|gregorian|lounge|epic(?: trailer)?|choir|choral|bluegrass|lullaby|cradle|berceuse"
    r"|wiegenlied(?:er)?|schlaflied(?:er)?|einschlaf|(?:de )?cuna|(?:de )?ninar|ninna ?nanna"
    r"|(?:para |pour |per |fur )?(?:ninos|bebes?|criancas|bambini)"
    r"|kids|children'?s|kinder|infantil|enfants|baby|nursery|meditation|spa|sleep|ringtone)"
)
_FOR_CHILDREN = (
    r"\b(?:nursery rhymes?|children'?s songs|kids'? songs|kinderlieder\w*|kinderchor|schlaflieder"
    r"|wiegenlieder|einschlaflieder|comptines|berceuses|chansons (?:pour|d')? ?enfants"
    r"|(?:musica|canciones|cantigas|musicas) (?:para ninos|para criancas|infantil(?:es)?|infantis)"
    r"|cancoes? (?:de ninar|infantis)|canciones? (?:de cuna|infantiles)|canzoni per bambini"
    r"|ninne nanne|baby lullab(?:y|ies)|lullabies for)\b"
)
"""What makers of songs for children, and their albums, call themselves."""

_VERSION = r"(?:version(?:e|en|s)?|versao|fassung|mix|edition)"
_MADE = (
    r"(?:version(?:e|en|es|s)?|versao|fassung|renditions?|covers?|arrangements?|arreglo|arranjo"
    r"|interpreta(?:tions?|cion|cao)|tributes?|instrumentals?)"
)
_ALONE = (
    rf"^(?:(?:{_MADE}|solo|acoustic|classical|relaxing|sad|soft|slow|easy|beautiful|emotional|epic"
    r"|electric|spanish|felt|upright|fingerstyle|only|just|a|al|au|no|na|ao|en|em|am|on|auf|con|com|mit|avec"
    rf"|for|para|pour|fur|per|de|del|the|dem|der|arr\.?|arranged)[ -])*{_INSTRUMENT}"
    rf"(?:(?: ?[&+,/] ?| (?:and|y|e|et|und) )(?:solo )?{_INSTRUMENT})*"
    rf"(?:[ -]?(?:{_MADE}|solo|only|acousti(?:c|que)|acustica|clasica|seul|edition|duet|duo|trio"
    r"|quartet|quintet|ensemble))*$"
)
"""A qualifier that names instruments and no more: *Piano*, *Solo Piano*, *Violin & Cello Cover*."""

_SOUND_ALIKE = (
    r"\bin the style of\b|\boriginally (?:performed|recorded|sung|made famous|by)\b"
    r"|\bas (?:performed|recorded|sung|made famous) by\b|\bmade (?:famous|popular) by\b"
    r"|\b(?:al|en el|no|ao|dans le|au|nello) (?:estilo|style|stile) d[eio]\b|\bim stile? von\b"
    r"|\ba la maniere de\b|\bpopularizad[oa] p[oe][rl][oa]?\b|\bhech[oa] famos[oa] por\b"
    r"|\brendue? (?:celebre|populaire) par\b|\bbekannt (?:durch|von)\b"
    r"|\boriginal(?:mente|ement) \w+ p[oae][rl]"
)
_PERFORMERS = (
    r"(?:bands?|players|artists|singers|kings|masters|all[- ]?stars|team|crew|nation|hits|club"
    r"|guru|feast|versions?|sessions?|co\b|company|project|group|orchestra|ensemble)"
)


class Rule(NamedTuple):
    """One reason to reject a recording, and where its words count.

    Attributes
    ----------
    name : str
        As written beside each rejection.
    qualifier, artist, album, title : re.Pattern or None
        What to look for in the qualifiers of the title, in the artist's name, in the
        album's title, and in the song's own title; None where nothing there is evidence.
    spared : frozenset of str
        On lists of these genres the artist's name alone is evidence.
    """

    name: str
    qualifier: re.Pattern[str]
    artist: re.Pattern[str] | None = None
    album: re.Pattern[str] | None = None
    title: re.Pattern[str] | None = None
    spared: frozenset[str] = frozenset()


LIVE = "live"
"""The one rule that can be turned off."""

RULES: tuple[Rule, ...] = (
    Rule(
        "karaoke",
        re.compile(
            r"\bkaraoke|\bbacking (?:tracks?|version)\b|play ?back\b|\bplay[- ]?along\b"
            r"|\b(?:sing|mit)[- ]?(?:along|sing)(?:$|[ -]?version)|\bdemonstration(?:$| in [a-g]\b)"
            r"|\b(?:version|versao) (?:para|pour) (?:cantar|chanter)\b|\bkey of [a-g]\b"
            r"|^cant[ea] junto$"
            r"|\bminus (?:one|vocals?|guitar|bass|drums|piano)\b"
            r"|\bperformance track\b|\baccompaniment(?: track)?$|\bjam track\b|\bvocals? off\b"
            r"|\b(?:without|no|minus) (?:lead|backing|background) vocals?\b|\boff vocal\b"
            r"|\b(?:vocal|drum|bass|guitar)s?[ -]?(?:less|removed|free)\b|\baccompagnement\b"
            r"|^pista$|\bpista (?:de |musical|instrumental)|\b(?:version|con|en) pista$"
            r"|\bbase (?:musicale|strumentale)\b|\b(?:guide|background) vocals?$"
            r"|\bbande[- ](?:orchestre|son)\b"
        ),
        # a band may be named Karaoke Something: the name alone is no evidence
        re.compile(
            r"\bkaraoke (?:version|hits|all[- ]?stars|channel|band|players|machine|diamonds|cloud"
            r"|kings?|crew|playback|superstars?|star|hut|house|experts?|tracks?|by|box|club|world"
            r"|songbook|songs|freaks|library|legends|guru|factory|universe|studio|jam|pro|express"
            r"|cafe|bar|lounge|party|night|singers|team|system|masters?)"
            r"|\w karaoke$|^karaoke$|^karaoke [-–—]|\bkarafun\b|\bsing ?king\b|\bsing2\w+"
            r"|\bparty tyme\b|\bbacking (?:tracks?|business)\b|\bminus one\b"
        ),
        re.compile(r"\bkaraoke\b|\bbacking tracks?\b"),
        re.compile(r"\bkaraoke (?:version|track|instrumental)\b|\bversion karaoke\b"),
    ),
    Rule(
        "altered",
        re.compile(
            r"\bsp(?:ed|eed(?:ed)?)[- ]?up\b|\bslowed\b|\b(?:night|day) ?core\b|\breverbed\b"
            r"|\b8d\b|\b\d\d?d audio\b|\bbass boosted\b|\b\d{3} ?hz\b|\bfast version\b"
            r"|\bchopped (?:and|&|n'?|not) (?:screwed|slopped)\b|\bscrewed (?:and|&) chopped\b"
            r"|^screwed$|\bchopnotslop\b"
            r"|(?:[+&]|\b(?:and|y|e|et|und|with)) reverb\b|\bpitched (?:up|down)\b"
            r"|\bchipmunks? version\b|\bmash[- ]?up\b|\b\d+ hours? (?:loop|version)\b"
            r"|\bacelerad[oa]\b|\bralenti(?:zad[oa]|e)?\b|\baccelere?e?\b"
            r"|\b(?:schnelle|langsame)(?:re)? version\b|\bbeschleunigt\b|\bverlangsamt\b"
            r"|\blangsam(?:er)? ?(?:[+&]|und) ?hall\b|^(?:langsam|schnell)(?:er)?$"
            r"|\b(?:accelerat|rallentat)[ao]\b|^reverb(?: only)?$|\b(?:cat|dog|meow) version\b"
        ),
        re.compile(
            r"\bnightcore \w|\w nightcore\b|\bsped[- ]?up\b|\bspeed radio\b"
            r"|\b8d (?:audio|tunes|music)\b|\bslowed (?:and|&|\+|down) "
        ),
        re.compile(
            r"\bnightcore\b|\bsped[- ]?up\b|\b8d audio\b"
            r"|\bslowed (?:down )?(?:and|&|\+|versions?|songs)"
        ),
    ),
    Rule(
        "workout",
        re.compile(
            r"\b(?:workout|fitness|gym|aerobics?|zumba|jogging|running|cycling|spinning|tabata"
            rf"|cardio|hiit|pilates) (?:{_VERSION}|remix|edit|track)\b|\b\d{{3}} ?bpm$|^\d\d ?bpm$"
        ),
        re.compile(
            r"\w workout\b|\bworkout (?:music|remix|mix|hits|trance|crew|buddy|heroes|factory"
            r"|electronica|dance|services|club)\b|\b(?:gym|fitness|aerobics?) (?:music|hits|mix)"
            r"|\b\d{2,3} ?bpm\b"
        ),
        re.compile(
            r"\b(?:workout|fitness|gym|aerobics?|zumba|indoor cycling|spinning|tabata|cardio|hiit) "
            r"(?:mix|remix|music|musik|hits|songs|playlist|tracks|beats|motivation|edition"
            r"|collection|(?:19|20)\d\d)\b"
            r"|\bmusi(?:cas?|que) (?:para|de|pour|per) (?:[ae]l? |l[ae] )?"
            r"(?:gimnasio|gym|fitness|entrena\w*|correr|academia|malhar|treino|sport|courir"
            r"|palestra)\b|\b(?:trainings|lauf|sport|fitness)musik\b"
        ),
    ),
    Rule(
        "tribute",
        re.compile(
            r"\btribute (?:to\b|version)|\btribute-version|\btribut[eo]$"
            r"|\b(?:tribut[oe]?|homenaje|homenagem|hommage|omaggio) (?:a|al|an|aos?)\b"
        ),
        re.compile(
            rf"\btribut[eo]s? (?:to|a|an)\b|\btribute (?:{_PERFORMERS}|show)|\w tributes?$"
            rf"|\b{_INSTRUMENT} tribute\b"
        ),
        re.compile(
            r"\btribute to\b|\b(?:tribut[oe]?|homenaje|homenagem|hommage|omaggio) (?:a|al|an|aos?) "
            r"|\w\W+(?:homenaje|homenagem|hommage|omaggio)$"
            rf"|\b(?:a|the) salute to\b|\b{_INSTRUMENT} tribute\b"
            r"|\w tribute(?: album| vol\b.*| volume.*)?$"
        ),
        spared=_SPARED,
    ),
    Rule(
        "rendition",
        re.compile(
            rf"{_ALONE}|\b{_INSTRUMENT}[ -]?(?:\w+ )?{_MADE}\b|\brenditions?\b|\bringtone\b"
            rf"|\b{_MADE} (?:for|on|by|para|pour|fur|per|de|con|mit) (?:the |solo )?{_INSTRUMENT}\b"
            rf"|\b(?:arr\.|arranged|arreglad[oa]|arrange|arrangiert) (?:for|on|by|para|pour|fur) "
            rf"(?:the |solo )?{_INSTRUMENT}\b|\b{_STYLE}[ -]?(?:{_MADE}|{_VERSION})\b"
            rf"|\b{_VERSION} {_STYLE}\b|^(?:bardcore|lo-?fi|fingerstyle)$"
            r"|^(?:for|para|fur) (?:kids|ninos|kinder)$"
        ),
        # quartets and orchestras are no evidence: most of them play what is theirs
        re.compile(
            r"\b(?:vitamin|mid(?:night|nite)|rock|pop|hits) string quartet\b|\bvitamin piano\b"
            r"|\bcocktail piano\b"
            r"|\bstring quartet tribute\b|\bpickin'? on\b|\btwinkle twinkle\b|\bhushabye baby\b"
            r"|\brockabye baby\b|\bsmooth jazz all[- ]?stars\b"
            r"|\blullab(?:y|ies) (?:players|rock|versions?|dreamers|masters)\b"
            rf"|\b{_INSTRUMENT} (?:covers?|renditions?|dream\w*|guys|players|masters|universe"
            r"|arcade|mania|project|superstars?|versions?|hits|crew)\b"
            r"|\blo-?fi (?:covers?|versions?)\b|\bsweet little band\b|\bchipmunks\b|\bchipettes\b"
            r"|\bkiboomers\b|\bgalinha pintadinha\b|\bcocomelon\b|\bsuper simple songs\b"
            r"|\blittle baby bum\b|\bmother goose club\b|\bpinkfong\b|\bpatati patata\b"
            rf"|{_FOR_CHILDREN}"
        ),
        re.compile(
            rf"{_FOR_CHILDREN}|\b{_INSTRUMENT} {_MADE}\b|\b(?:renditions?|interpretations?) of\b"
            r"|\blullaby (?:versions?|renditions?|covers?)\b"
            r"|\bstring quartet (?:plays|performs)\b|\bbabies go \w"
        ),
        re.compile(rf"\b{_INSTRUMENT} (?:version|cover|rendition)$"),
        spared=_SPARED,
    ),
    Rule(
        "cover",
        re.compile(
            rf"{_SOUND_ALIKE}|(?<!take )(?<!under )(?<!for )(?<!your )(?<!my )(?<!the )(?<!and )"
            r"(?<!cloud )(?<!deep )\bcover(?: version| song)?$|\bcover ?version\b"
            r"|\bcover(?:ed)? (?:version )?(?:of|by|en|em|de|do|da|von|auf|di)\b|\bcover version"
            r"|^cover (?!me\b|up\b|your|my|to\b|girl)"
            r"|\breprise d(?:e |es |u |')"
        ),
        re.compile(
            rf"\bcovers? {_PERFORMERS}|\b(?:acoustic|rock|metal|pop) covers?\b|(?<!\bof)\scovers$"
            r"|\bkidz bop\b|\bmini ?pops? kids\b|\bhits? crew\b|\bhit co\.? masters\b"
            r"|\bdrew's famous\b|\bstarlite (?:singers|orchestra)\b|\btop of the poppers\b"
            r"|\bcountdown singers\b|\bchart (?:hits|topping|champions)\b|\bsound ?alikes?\b"
            r"|\bhits? (?:makers|factory|unlimited)\b|\bameritz\b"
        ),
        re.compile(
            rf"{_SOUND_ALIKE}|\bkids sing\b|\bcovers(?: vol| volume| ep\b|,|:| \d|\s*$)"
            r"|\bkidz bop\b|\bcovers? (?:sessions?|versions?|album|songs|hits)\b|\bdrew's famous\b"
        ),
        re.compile(_SOUND_ALIKE),
    ),
    Rule(
        "instrumental",
        re.compile(
            r"\b(?:instrumental|strumental)(?:s|e|i)?$|\binstrumental[ -]?(?:version|fassung)"
            r"|\binstrumental (?:mix|edit|remix|track|take|cover)\b|\bno vocals\b"
            r"|\b(?:ohne gesang|sans (?:voix|paroles)|sin (?:voz|letra)|sem (?:voz|vocal))\b"
            r"|\bsenza voce\b|\ba ?cap(?:p?ella|ela)(?: version)?$|\bversione strumentale\b"
            r"|\b(?:version|versao) instrumentale?\b|\b(?:vocals?|beat|drums?) only\b|\btype beat\b"
        ),
        None,
        re.compile(
            r"[(\[]\s*(?:the )?instrumentals?(?: versions?)?\s*[)\]]|\binstrumental versions?\b"
        ),
        re.compile(r"\btype beat\b"),
        spared=_SPARED,
    ),
    Rule(
        LIVE,
        re.compile(
            r"^(?:recorded )?live!?$|^live(?: ?[/,;:-]| remaster| with\b| '?\d\d\b)|\bunplugged\b"
            r"|\blive,? (?:at|from|in|on|@|a|au|aux|en|im|aus|bei|auf|vom|de|desde|no|na|em|dal) \S"
            r"|\blive (?:version|sessions?|performance|recording|acoustic|edit|mix|take|bonus)\b"
            r"|\blive lounge\b|^directo\b|\ben live\b|\bkonzertmitschnitt\b"
            r"|\blive,? (?:\w+ )?(?:19|20)\d\d\b|\b(?:acoustic;?|version|recorded) live$"
            r"|\ben (?:vivo|directo|concierto|concert|public)\b|\bao vivo\b|\bdal vivo\b"
            r"|\bmtv acustico\b|\bacustico mtv\b"
            r"|\blive[ -]?(?:version|fassung|mitschnitt|aufnahme)\b|\btiny desk\b"
        ),
        None,
        re.compile(
            r"^live!?$|[(\[]live\b[^)\]]*[)\]]|\s[-–—:]\s+live!?$|\blive (?:at|from) \S+"
            r"|(?:^|[-–—:,.!(\[]\s*)live,? (?:in|on|au|im|en|em) (?!the moment|my |me\b|love\b)\S+"
            r"|\bunplugged\b|\bin concert\b|\ben (?:vivo|directo|concierto|concert)\b|\bao vivo\b"
            r"|\bdal vivo\b|\bmtv acustico\b|\bacustico mtv\b"
        ),
    ),
)
"""In the order in which they are asked; the first that matches is named."""

ORIGINALS = frozenset(
    {
        "a tribute to jack johnson",
        "homenaje a violeta parra",
        "tribute to nothing",
        "tribute to the martyrs",
    }
)
"""Artists and albums, folded, that are named so and are no copies."""
