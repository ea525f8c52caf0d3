"""The words that the difficulty score uses, in groups of meaning. Pure data; written for this project.

A word may be in several groups. All words are lower case; names, numbers, and products are left out.
"""

from __future__ import annotations

GROUPS: dict[str, str] = {
    "greeting": """hi hello hey hiya thanks thank thx bye goodbye morning evening afternoon night welcome cheers ok okay great
        cool nice lol haha congrats congratulations sorry greetings howdy yo sup awesome perfect bonjour hola danke merci ciao
        hallo gracias""",
    "look-up": """who whose when where capital defined define definition meaning synonym synonyms antonym antonyms abbreviation
        acronym stand stands spelled pronounce plural currency population born invented discovered located largest tallest longest
        smallest oldest author wrote painted colour color temperature distance called known country continent""",
    "small edit": """rephrase reword shorten rewrite proofread grammar typo typos translate translation capitalize capitalise
        uppercase lowercase rename alphabetize alphabetical sort bold comma commas punctuation spelling correct fix remove
        delete replace append indent trim add insert convert polish tidy paraphrase bullets bullet heading title lengthen
        friendlier politer sentence""",
    "writing": """poem story haiku song lyrics limerick slogan tagline caption joke jokes blog email letter tweet post speech
        toast card invitation brainstorm ideas suggest recommend recipe itinerary diary advertisement ad headline novel essay
        draft compose dialogue fairy tale greeting birthday wedding playlist gift gifts names creative travel review opinion
        describe paragraph article announcement newsletter persuasive inspiring""",
    "role play": """pretend imagine roleplay act character persona portray play pirate detective wizard narrator""",
    "summary": """summarize summarise summary tldr recap gist overview condense highlights outline takeaways main key""",
    "explanation": """explain describe clarify illustrate introduce elaborate teach difference differences compare contrast
        overview understand basics beginner simple terms example examples""",
    "reasoning": """prove proof derive deduce infer justify demonstrate disprove refute contradiction therefore hence
        necessarily sufficient necessary implies imply conclude conclusion valid invalid fallacy premise premises follows
        counterexample converse lemma theorem corollary induction rigorous rigorously logically consistent inconsistent paradox
        argue argument reasoning rationale assumption assumptions whether establish impossible guarantee guaranteed""",
    "calculation": """solve calculate compute determine evaluate simplify estimate approximate maximise maximize minimise
        minimize sum product quotient remainder ratio percent percentage fraction average mean rate equation equations value
        expression factor expand area volume perimeter angle radius diameter""",
    "design": """design architect architecture plan strategy strategic tradeoff tradeoffs propose optimise optimize optimal
        migrate migration scale scalable scalability refactor implement implementation build develop framework roadmap pipeline
        distributed concurrency concurrent consistency latency throughput availability redundancy partition schema protocol
        invariant invariants complexity efficient efficiency rollout rollback backwards compatible idempotent replication
        sharding consensus""",
    "fault finding": """debug bug bugs fails failing failed failure crash crashes crashing exception traceback deadlock
        deadlocks race races leak leaks leaking intermittent intermittently regression diagnose diagnosis investigate
        troubleshoot wrong broken hangs hang timeout timeouts stuck flaky corrupted corruption spike spikes stalls unexpectedly
        occasionally sporadic reproduce suddenly cause causes symptom postmortem incident outage slower slow drift mismatch
        inconsistent nan null segfault panic""",
    "code": """function functions class method methods code script python javascript typescript java rust golang kotlin swift
        php ruby sql query regex api algorithm array arrays loop recursion recursive compile compiler compiles variable
        variables string integer boolean pointer struct def return const let var async await thread threads mutex lock queue
        stack heap tree graph node nodes database table index join html css json xml yaml http endpoint server client docker
        kubernetes git commit repository test tests unittest pytest module import package library interface generic generics
        template iterator cache parser parse lexer bytes buffer socket kernel runtime callback promise exception binary linked
        hash sorted substring subarray matrix program programming software component react hook dataframe pandas numpy terminal
        bash shell""",
    "mathematics": """integral integrals derivative derivatives differentiate integrate polynomial polynomials matrix matrices
        determinant eigenvalue eigenvalues vector vectors subspace basis theorem prime primes modulo mod congruent integer
        integers irrational rational real reals complex logarithm log exponent sine cosine tangent sin cos tan limit limits
        converge converges convergence diverge series sequence sequences continuous differentiable bounded set sets subset
        subgroup group groups ring field fields homomorphic isomorphic isomorphism abelian kernel permutation permutations
        combinations probability random variable variables expected variance distribution binomial normal poisson triangle
        circle hypotenuse square squared cube cubed sqrt root roots quadratic linear coefficient coefficients inequality
        function domain inverse axis plane sphere cylinder parabola ellipse symmetric transformation odd even divisible divisor
        multiple gcd lcm frac mathbb mathrm begin pi theta alpha beta lambda sigma epsilon delta infty leq geq cdot""",
    "statistics": """regression hypothesis null variance deviation sample samples sampling estimator estimators unbiased bias
        biased heteroscedasticity autocorrelation correlation correlated residual residuals significance significant confidence
        interval likelihood prior posterior bayesian anova median quartile percentile distribution skewed outlier outliers
        experiment randomized placebo control treatment confounding stationary cointegration covariance coefficient test
        statistic""",
    "economics": """inflation interest monetary fiscal supply demand price prices elasticity equilibrium marginal monopoly firm
        firms gdp aggregate tax taxes tariff currency exchange investment savings consumption output unemployment bond bonds
        stock stocks shares dividend portfolio revenue profit cost costs capital labor labour productivity surplus deficit curve
        wage wages liquidity depreciation hedge option futures yield amortization cash margin budget""",
    "physical science": """velocity acceleration force momentum energy kinetic potential mass charge electric magnetic voltage
        current resistance circuit capacitor inductor frequency wavelength wave waves photon photons electron electrons proton
        neutron nucleus quantum relativity entropy enthalpy thermodynamic thermodynamics pressure temperature heat gas ideal
        molecule molecules atom atoms ion ions bond bonds acid base ph oxidation reduction reaction reactions equilibrium
        catalyst solution molar mole moles orbital orbit gravity gravitational friction torque density buoyant lens mirror
        refraction spectrum radiation radioactive isotope telescope star stars planet planets galaxy hydrogen oxygen carbon
        nitrogen speed light motion collision object charged field flux transistor amplifier transformer motor signal filter
        gain""",
    "life science": """cell cells protein proteins dna rna gene genes genetic allele alleles chromosome chromosomes mutation
        mutations enzyme enzymes membrane mitochondria evolution species population selection organism organisms bacteria virus
        viral hormone hormones receptor receptors neuron neurons muscle nerve artery vein tissue organ blood plasma immune
        antibody antigen metabolism glucose insulin photosynthesis phenotype genotype recessive dominant inheritance ecosystem""",
    "medicine": """patient patients symptom symptoms diagnosis diagnose disease disorder syndrome treatment therapy therapeutic
        dose dosage mg ml clinical physician doctor hospital surgery surgical pain fever cough nausea vomiting fatigue rash
        swelling abdominal chest cardiac heart renal kidney liver hepatic lung pulmonary pressure pulse examination exam
        laboratory serum creatinine hemoglobin leukocyte ct mri xray ultrasound biopsy acute chronic history presents presented
        medication medications tablet drug drugs infection cancer tumor tumour lesion pregnant pregnancy prescribed prognosis
        contraindicated steroid steroids jaundice breathing airway seizure dialysis nurse thyroid oedema edema sodium potassium
        platelets toddler infant bleeding differential woman man year old emergency department blood rate""",
    "law": """plaintiff defendant court courts statute statutory contract contracts clause clauses liability liable negligence
        negligent breach breaches damages tort vendor confidentiality entitled rejected excuse excused notice shareholder
        shareholders articles dismissed indemnify indemnity indemnification warranty warranties jurisdiction appeal appellate
        trial jury judge evidence testimony witness witnesses admissible hearsay constitutional constitution amendment due
        process property deed easement mortgage tenant landlord lease title conveyed will estate trust beneficiary crime
        criminal murder burglary robbery arson felony convicted conviction prosecution prosecutor sued suit lawsuit motion
        judgment enforce enforceable valid void offer acceptance consideration seller buyer party parties agreement obligations
        terminate termination remedy injunction arbitration counsel attorney lawyer legal law laws counterparty licensee
        licensor covenant governing""",
    "humanities": """moral morally ethics ethical philosophy philosopher virtue duty rights justice utilitarian utilitarianism
        consequentialism deontological kant autonomy religion religious church god belief beliefs culture cultural society
        social political politics government president congress senate policy war treaty empire revolution colonial king emperor
        century history historical movement freedom liberal conservative democracy party power nation national foreign security""",
    "psychology": """behavior behaviour cognitive memory learning conditioning reinforcement attitude attitudes personality
        motivation emotion emotional anxiety depression perception attention development developmental child children adolescent
        adolescents aging older adults self stress therapy therapist stereotype identity intelligence language attachment""",
    "puzzle": """knight knights knave knaves liar liars truth lying lies puzzle riddle clue clues seated sits sit sitting left
        right next opposite neighbour neighbor immediately exactly neither nor either both taller shorter older younger heavier
        lighter cards coin coins hat hats boat river bridge weighing weighings switch doors prisoner prisoners guests houses
        suspects guilty innocent schedule assigned adjacent ranked finished ahead behind""",
    "quantity": """each every per total twice half third quarter thrice double triple remaining remain left more fewer less
        times altogether combined many much cost costs price prices spend spends spent buy buys bought sell sells sold earn
        earns earned pay pays paid save saves saved dollars cents hours minutes days weeks months years miles feet pounds
        gallons dozen another additional rest if after first second initially originally extra split equally share leftover
        average""",
    "number words": """one two three four five six seven eight nine ten eleven twelve twenty thirty half twice double triple
        third thirds quarter quarters dozen""",
    "comparison": """than more less fewer greater smaller larger bigger higher lower same equal as similarly compared""",
    "order in time": """time times after before then until first second next later finally while during meanwhile earlier""",
    "hypothetical": """would could might should may suppose imagine assume hypothetical hypothetically""",
    "condition": """if unless suppose supposing assume assuming given whenever otherwise provided whether although however
        despite while whereas except until because since then would could might""",
    "constraint": """must cannot only exactly without least most except not never ensure always every all any none no should
        shall may required requires require satisfy satisfies subject constraint constraints limit within preserve preserving
        avoid between""",
    "analysis": """analyze analyse assess critique critically implications consequences interpret interpretation significance
        evaluate weigh risks risk exposure advise advice recommend recommendation consider scenario scenarios forecast reconcile
        synthesize synthesise investigate rank prioritize prioritise appropriate explain identify likely mechanism why""",
    "extraction": """extract extraction json csv xml yaml parse fields field columns column rows table list entities structured
        format schema key keys values return output label classify categorize categorise identify count sorted following""",
    "small talk": """how are you doing today your name favorite favourite feel feeling weekend weather fun tell me joke bored
        chat""",
}
"""Group → its words."""

OTHER_LANGUAGES: dict[str, str] = {
    "greeting": "hallo danke bonjour salut merci hola gracias olá obrigado ciao grazie привет спасибо",
    "look-up": "heißt bedeutet hauptstadt capitale cuál quelle dónde où wer qui quién quanto столица сколько где",
    "small edit": "übersetze übersetzen korrigiere corrige corrija traduce traduire traduis traduci traduza переведи исправь",
    "writing": "gedicht geschichte poème histoire poema cuento lettera poesia carta brief стихотворение рассказ",
    "reasoning": """beweise beweis begründe folgt widerspruch gegenbeispiel prouver démontrez démontrer prouvez justifiez
        contradiction demuestra demuestre demostrar justifica contraejemplo dimostra dimostrare prove demonstre докажите докажи
        обоснуйте следует""",
    "fault finding": "fehler ursache absturz erreur panne cause fallo causa errore guasto erro ошибка причина сбой",
    "design": "entwirf entwerfe konzipiere concevez conception conçois diseña diseñe progetta projete спроектируйте система",
    "analysis": """analysiere bewerte analysez évaluez conséquences analiza analice evalúa consecuencias analizza valuta analise
        avalie проанализируйте объясните почему последствия""",
    "law": "vertrag klausel haftung contrat clause responsabilité contrato cláusula contratto clausola договор арендатор",
    "medicine": "patientin patienten symptome diagnose symptômes diagnostic paciente síntomas diagnóstico paziente sintomi пациент",
    "condition": "wenn falls obwohl si bien aunque salvo se se caso sebbene если хотя",
}
"""A few words of the same groups in other frequent languages."""

PHRASES: dict[str, tuple[str, ...]] = {
    "greeting": ("你好", "您好", "谢谢", "こんにちは", "ありがとう", "안녕"),
    "look-up": (
        "what is the", "what's the", "what does", "how do you say", "how many days", "what year", "what day", "what time",
        "多少", "哪里", "什么是", "とは",
    ),
    "small edit": ("翻译", "翻訳", "번역"),
    "small talk": ("how are you", "good morning", "good night", "thank you", "nice to meet", "what's up"),
    "reasoning": (
        "step by step", "show that", "prove that", "if and only if", "must be true", "does it follow", "follows that",
        "证明", "證明", "証明", "증명", "反例", "每一步",
    ),
    "fault finding": (
        "root cause", "why does", "why is", "stack trace", "doesn't work", "does not work", "no longer", "what went wrong",
        "根本原因", "排除", "错误", "エラー", "오류",
    ),
    "design": (
        "trade-off", "time complexity", "big-o", "from scratch", "end to end", "end-to-end", "edge cases", "multi-tenant",
        "设计", "設計",
    ),
    "role play": ("you are a", "i want you to", "in character", "your own voice", "act as"),
    "puzzle": ("comes next", "who is the", "how do you find out", "does it follow"),
    "medicine": ("year-old", "years old", "next step in", "most likely diagnosis", "presents with", "presents to", "患者"),
    "analysis": (
        "second-order", "pros and cons", "to what extent", "what would change", "what would you", "分析", "影响", "はなぜ",
    ),
}  # fmt: skip
"""Group → phrases that are searched for as a whole, in lower case."""

COMMON = """the of and a to in is it you that he was for on are with as his they be at one have this from or had by but not what
    all were we when your can said there use an each which she do how their if will up other about out many then them
    these so some her would make like him into time has look two more go see no way could people my than first been call
    who its now find long down day did get come made may part over new take only little work know place year live me back
    give most very after our just name good sentence man think say great where help through much before line right too
    mean old any same tell boy follow came want show also around form three small set put end does another well large must
    big even such because turn here why ask went men read need land different home us move try kind hand picture again
    change off play spell air away animal settings point page letter mother answer found study still learn should world high
    every near add food between own below country plant last school father keep tree never start city earth eye light
    thought head under story saw left few while along might close something seem next hard open example begin life always
    those both paper together got group often run important until children side feet car mile night walk white sea began
    grow took river four carry state once book hear stop without second later miss idea enough eat face watch far really
    almost let above girl sometimes mountain cut young talk soon list song being leave family it's i i'm don't please
    hello hi thanks""".split()  # noqa: SIM905 - a list of words reads better as text
"""Frequent English words; other words are likelier to be technical."""
