"""Encodings that nobody names: what is Western is never taken for anything else, what is not is told with enough text.

Each language has a few words; files of 5, 50 and 1,000 rows are made of them.
"""

# ruff: noqa: RUF001 - the letters are those of many languages

import random
from pathlib import Path

import pytest

from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.adapters.sources.csv.guessing import guessed_encoding
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType

FILE = Extraction(ExtractionType.FILE)
WESTERN = {
    "Portuguese": "João Silva|Maria Conceição|António Magalhães|José Simões|Inês Araújo|Évora|Câmara de Lobos|Covilhã",
    "Spanish": "José Muñoz|María Ibáñez|Iñaki Peña|Begoña Núñez|Ángel Castaño|Lucía Gómez|Logroño|Cádiz|¿Dónde?",
    "French": "François Lefèvre|Zoé Noël|André Lemaître|Jérôme Garçon|Nîmes|forêt|naïve|où|cœur|Île|l’été",
    "Danish": "Søren Kjær|Bjørn Jørgensen|Åse Nørgaard|København|Ærøskøbing|Ålborg|Hjørring",
    "Norwegian": "Bjørn Håland|Tromsø|Åse Ødegård|Bodø|Ålesund|Kåre Sæther|Hønefoss",
    "Swedish": "Åsa Öberg|Göran Ström|Malmö|Västerås|Jönköping|Ängelholm|Håkan Björn|Växjö",
    "Finnish": "Päivi Mäkinen|Jyväskylä|Hämeenlinna|Väinö Järvinen|Seinäjoki|Töölö",
    "German": "Müller|Größe|Jäger|Köln|Düsseldorf|Weißenburg|Österreich|Übergröße",
    "Italian": "città|perché|più|così|università|però|lunedì|Nicolò Foà|Forlì|Cantù",
    "Dutch": "Daniël de Vries|Zoë Jansen|coördinatie|België|Curaçao|ideeën|één",
    "Catalan": "Núria Güell|Lluís Companyà|València|Cerdanyola del Vallès|façana|pingüí",
    "Icelandic": "Guðrún Þórðardóttir|Reykjavík|Björk Guðmundsdóttir|Ísafjörður|Þingvellir",
    "several at once": "João|Peña|François|Kjær|Göran|Jäger|Forlì|Zoë|Núria|Þingvellir|Straße|Besançon",
    "pounds": "Garden chair £0.99|Wooden table £12.50|£5",
    "units": "20 °C ±1 µm ½|10 m²|5 m³|1º|±0.5",
    "euros": "10 €|12 €|9,99 €",
    "punctuation": "it’s fine|“quoted” text|a – b|wait…|O’Neil|Brand™|Name®|«so»",
    "one word": "plain|ascii|text|café|nothing|more|words|here",
}
OTHERS = {
    ("Czech", "cp1250"): "Příliš|žluťoučký|kůň|Plzeň|Šárka|město|Jiří Dvořák|Tomáš Růžička|Ústí nad Labem|Ondřej",
    ("Slovak", "cp1250"): "Ľubomír Žák|Košice|Žilina|Ján Kováč|Banská Štiavnica|Kežmarok|Poľana|vďaka|Trenčín",
    ("Polish", "cp1250"): "Łódź|Kraków|Gdańsk|Zażółć gęślą jaźń|Wałęsa|Rafał Wójcik|Małgorzata Dąbrowska|Częstochowa",
    (
        "Hungarian",
        "cp1250",
    ): "Győr|Székesfehérvár|Kőszeg|Árvíztűrő tükörfúrógép|Szabó Gergő|Hódmezővásárhely|Szűcs|Tóth",
    ("Romanian", "cp1250"): "Iaşi|Timişoara|Constanţa|Bucureşti|Ştefan Popescu|Târgu Mureş|Ţepeş|Măgurele|Bistriţa",
    ("Croatian", "cp1250"): "Šibenik|Čakovec|Đurđevac|Željko Matić|Ivana Horvatić|Požega|Franjo Tuđman|Đakovo",
    ("Slovene", "cp1250"): "Škofja Loka|Črnomelj|Žalec|Kočevje|Matjaž Košir|Luka Dončić|Tržič|Brežice|Piščanec",
    (
        "Polish on Unix",
        "iso8859-2",
    ): "Łódź|Gdańsk|Zażółć gęślą jaźń|Małgorzata Dąbrowska|Wąchock|Śląsk|Źródło",
    ("Turkish", "cp1254"): "İstanbul|Beşiktaş|Şişli|Eskişehir|Muğla|Çağrı Yılmaz|Ayşe Öztürk|Gümüşhane|Iğdır|Kırşehir",
    ("Latvian", "cp1257"): "Jānis Bērziņš|Liepāja|Rēzekne|Kārlis Kalniņš|Jūrmala|Pļaviņas|Šķērsiela|Cēsis|Ķirsis",
    (
        "Lithuanian",
        "cp1257",
    ): "Vytautas Šimkus|Šiauliai|Panevėžys|Rūta Žukauskaitė|Utėna|Telšiai|Mažeikių|Ąžuolas|Įmonė",
    ("Estonian", "cp1257"): "Jõgeva|Põlva|Võru|Šoti|žürii|Käärik|Žanna Mägi|Šveits|Õismäe|Köster",
    ("Russian", "cp1251"): "Москва|Новосибирск|Екатеринбург|Иванов Иван|Петрова Анна|Казань|Улица Ленина|накладная",
    ("Russian on Unix", "koi8-r"): "Москва|Новосибирск|Екатеринбург|Иванов Иван|Петрова Анна|Казань|накладная",
    ("Bulgarian", "cp1251"): "София|Пловдив|Варна|Георги Иванов|Мария Петрова|Стара Загора|Търговище|фактура",
    ("Ukrainian", "cp1251"): "Київ|Львів|Харків|Шевченко Тарас|Наталія Коваленко|Запоріжжя|Дніпро|Чернівці",
    ("Greek", "cp1253"): "Αθήνα|Θεσσαλονίκη|Πάτρα|Ηράκλειο|Γιώργος Παπαδόπουλος|Λάρισα|Ιωάννινα|Τιμολόγιο",
    ("Hebrew", "cp1255"): "ירושלים|תל אביב|חיפה|באר שבע|משה כהן|ראשון לציון|פתח תקווה|חשבונית",
    ("Arabic", "cp1256"): "القاهرة|الرياض|دبي|بيروت|محمد أحمد|فاطمة علي|الإسكندرية|بغداد|فاتورة",
    ("Japanese", "cp932"): "東京都|大阪府|田中太郎|鈴木花子|北海道札幌市|株式会社山田商店|請求書|ラーメン|ありがとう",
    ("Japanese on Unix", "euc_jp"): "東京都|大阪府|田中太郎|鈴木花子|北海道札幌市|株式会社山田商店|請求書|ラーメン",
    ("Chinese", "gb18030"): "北京市|上海市|张伟|王芳|广州市天河区|深圳科技有限公司|发票号码|李娜|成都|重庆",
    ("Taiwanese", "cp950"): "台北市|高雄市|陳志明|林淑芬|新竹科學園區|台灣積體電路|發票號碼|王小姐|桃園",
    ("Korean", "cp949"): "서울특별시|부산광역시|김민수|이영희|대구광역시|주식회사 한국상사|세금계산서|제주도",
}


def text_of(words: str, rows: int) -> str:
    chosen = random.Random(f"{words}{rows}")
    lines = (f"{n};{chosen.choice(words.split('|'))};{chosen.randint(1, 9999)},50;2024-01-15" for n in range(rows))
    return "id;name;amount;day\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("rows", [5, 50, 1000])
@pytest.mark.parametrize("words", WESTERN.values(), ids=WESTERN)
def test_western_text_is_always_told(words: str, rows: int) -> None:
    text = text_of(words, rows)
    if not text.isascii():
        assert guessed_encoding(text.encode("cp1252")) == "cp1252"


@pytest.mark.parametrize("rows", [50, 1000])
@pytest.mark.parametrize(("named", "words"), OTHERS.items(), ids=[f"{name} in {encoding}" for name, encoding in OTHERS])
def test_other_text_is_told_where_there_is_enough(named: tuple[str, str], words: str, rows: int) -> None:
    content = text_of(words, rows).encode(named[1])
    assert content.decode(guessed_encoding(content)) == text_of(words, rows)


@pytest.mark.parametrize(("named", "words"), OTHERS.items(), ids=[f"{name} in {encoding}" for name, encoding in OTHERS])
def test_of_too_little_text_nothing_stranger_than_western_is_made(named: tuple[str, str], words: str) -> None:
    content = text_of(words, 5).encode(named[1])
    found = guessed_encoding(content)
    assert found == "cp1252" or content.decode(found) == text_of(words, 5)


class TestWhatIsSaid:
    def source(self, folder: Path, content: bytes, **settings: str) -> CsvSource:
        (folder / "f.csv").write_bytes(content)
        return CsvSource(Source("1", "s", "s", SourceType.CSV, "app", {"path": "f.csv", **settings}), [folder])

    def test_a_guess_is_told_wherever_the_file_is_looked_at(self, tmp_path: Path) -> None:
        source = self.source(tmp_path, "id,name\n1,Peña\n".encode("cp1252"))

        assert source.test() == "file f.csv has 2 columns, in cp1252 (guessed from its bytes)"
        [told] = source.preview(FILE, 5).notes
        assert "cp1252, guessed from its bytes" in told
        with source.read(FILE) as reading:
            assert reading.notes == [told]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_what_the_bytes_prove_is_no_guess(self, tmp_path: Path, encoding: str) -> None:
        source = self.source(tmp_path, "id,name\n1,Peña\n".encode(encoding))

        assert "guessed" not in source.test()
        assert list(source.preview(FILE, 5).notes) == []

    def test_nor_is_what_somebody_has_named(self, tmp_path: Path) -> None:
        source = self.source(tmp_path, "id,name\n1,Peña\n".encode("cp1252"), encoding="cp1252")

        assert "guessed" not in source.test()
        assert list(source.preview(FILE, 5).notes) == []
