//! Every word of the console, in each language: a table the compiler keeps complete.

use portico_engine::Arm;
use portico_engine::evaluate::ExperimentFigures;

use crate::model::format;

/// A language of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// The table of words.
    pub(crate) fn text(self) -> &'static Text {
        match self {
            Lang::En => &EN,
            Lang::Zh => &ZH,
        }
    }

    /// BCP 47 tag, for the document and for remembering.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Zh => "zh-CN",
        }
    }

    /// The language of a BCP 47 tag; anything but Chinese is English.
    pub(crate) fn from_tag(tag: &str) -> Lang {
        if tag.starts_with("zh") { Lang::Zh } else { Lang::En }
    }

    /// `12 newer decisions`.
    pub(crate) fn newer(self, count: usize) -> String {
        match self {
            Lang::En if count == 1 => "1 newer".to_owned(),
            Lang::En => format!("{count} newer"),
            Lang::Zh => format!("{count} 条新决策"),
        }
    }

    /// Where on the curve's axis the cursor stands.
    pub(crate) fn impressions(self, count: u64) -> String {
        let count = format::integer(count);
        match self {
            Lang::En => format!("{count} impressions"),
            Lang::Zh => format!("{count} 次展示"),
        }
    }

    /// Which of how many rows are shown.
    pub(crate) fn rows(self, shown: usize, all: usize) -> String {
        match (self, shown == all) {
            (Lang::En, true) if all == 1 => "1 offer".to_owned(),
            (Lang::En, true) => format!("{all} offers"),
            (Lang::En, false) => format!("{shown} of {all} offers"),
            (Lang::Zh, true) => format!("{all} 个优惠"),
            (Lang::Zh, false) => format!("{shown} / {all} 个优惠"),
        }
    }

    /// How many things keep offers away, and how many could be better; one of the two is not 0.
    pub(crate) fn verdict(self, bad: usize, notes: usize) -> String {
        let things = |count: usize| if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
        match (self, bad, notes) {
            (Lang::En, 0, notes) => format!("Offers can be seen; {} could be better:", things(notes)),
            (Lang::En, 1, 0) => "1 thing keeps offers away:".to_owned(),
            (Lang::En, bad, 0) => format!("{} keep offers away:", things(bad)),
            (Lang::En, 1, notes) => format!("1 thing keeps offers away, {notes} could be better:"),
            (Lang::En, bad, notes) => format!("{} keep offers away, {notes} could be better:", things(bad)),
            (Lang::Zh, 0, notes) => format!("优惠可以显示，{notes} 项可以改进："),
            (Lang::Zh, bad, 0) => format!("{bad} 项使优惠无法显示："),
            (Lang::Zh, bad, notes) => format!("{bad} 项使优惠无法显示，{notes} 项可以改进："),
        }
    }

    /// The button that shows all rows.
    pub(crate) fn show_all(self, all: usize) -> String {
        match self {
            Lang::En => format!("Show all {all}"),
            Lang::Zh => format!("显示全部 {all} 个"),
        }
    }

    /// That the figures are old.
    pub(crate) fn figures_from(self, clock: &str) -> String {
        match self {
            Lang::En => format!("The figures below are from {clock}."),
            Lang::Zh => format!("下面是 {clock} 的数据。"),
        }
    }

    /// When the next try comes.
    pub(crate) fn next_try(self, delay_ms: u32) -> String {
        let delay = format::duration(self, u64::from(delay_ms));
        match self {
            Lang::En => format!("Trying again within {delay}."),
            Lang::Zh => format!("将在 {delay}内重试。"),
        }
    }

    /// A difference of shares: `+0.74 points`.
    pub(crate) fn points(self, difference: f64) -> String {
        let points = format::signed(difference * 100.0);
        match self {
            Lang::En => format!("{points} pts"),
            Lang::Zh => format!("{points} 个百分点"),
        }
    }

    /// A difference as a part of the hold-out's figure.
    pub(crate) fn than_control(self, relative: f64) -> String {
        let part = format::percent(relative.abs());
        match (self, relative < 0.0) {
            (Lang::En, false) => format!("{part} above the control group's figure"),
            (Lang::En, true) => format!("{part} below the control group's figure"),
            (Lang::Zh, false) => format!("比对照组高 {part}"),
            (Lang::Zh, true) => format!("比对照组低 {part}"),
        }
    }

    /// Who has been counted, and who has not yet.
    pub(crate) fn visitors_counted(self, experiment: &ExperimentFigures) -> String {
        let of = |arm| format::integer(experiment.visitors.get(&arm).copied().unwrap_or(0));
        let (model, control) = (of(Arm::Model), of(Arm::Control));
        let (waiting, window) = (format::integer(experiment.waiting), format::window(self, experiment.window_ms));
        let part = match (self, experiment.one_of) {
            (_, 1) => String::new(),
            (Lang::En, many) => format!(" One visitor of {many} is counted."),
            (Lang::Zh, many) => format!("每 {many} 位访客计入一位。"),
        };
        match self {
            Lang::En => format!(
                "Visitors counted: {model} of the model, {control} of the control group. {waiting} more are within the {window} in which what they do counts.{part}"
            ),
            Lang::Zh => format!(
                "已计入访客：模型组 {model}，对照组 {control}。另有 {waiting} 位仍在 {window}的观察期内。{part}"
            ),
        }
    }

    /// One arm has fewer visitors than its share.
    pub(crate) fn visitors_lost(self, experiment: &ExperimentFigures) -> String {
        let expected = format::percent(experiment.model_share);
        let (low, high) = (experiment.model_share_counted.lower, experiment.model_share_counted.upper);
        let (low, high) = (format::percent(low), format::percent(high));
        match self {
            Lang::En => format!(
                "Sample ratio mismatch: {expected} of these visitors should be the model's, and {low} to {high} are. Visitors of one arm get lost on the way, so trust no difference until it is known why."
            ),
            Lang::Zh => format!(
                "样本比例失衡：模型组应占 {expected}，实际为 {low} 至 {high}。某一组的访客在途中流失，查明原因前请勿采信任何差异。"
            ),
        }
    }

    /// How a placement was filled, in words.
    pub(crate) fn arm_means(self, arm: Arm) -> &'static str {
        match (self, arm) {
            (Lang::En, Arm::Model) => "Chosen by the model: the offers with the highest sampled score.",
            (Lang::En, Arm::Explore) => {
                "Drawn at random among the eligible offers, so that every one of them is tried."
            }
            (Lang::En, Arm::Control) => "Hold-out: the eligible offers in their configured order, without the model.",
            (Lang::Zh, Arm::Model) => "由模型选择：采样得分最高的优惠。",
            (Lang::Zh, Arm::Explore) => "在符合条件的优惠中随机抽取，使每个优惠都有机会。",
            (Lang::Zh, Arm::Control) => "对照组：按配置顺序展示符合条件的优惠，不用模型。",
        }
    }

    /// A stage's name; stages other than the first are the site's own words.
    pub(crate) fn stage(self, stage: &str) -> String {
        match (self, stage) {
            (Lang::En, "click") => "Click".to_owned(),
            (Lang::Zh, "click") => "点击".to_owned(),
            (Lang::En, "applied") => "Applied".to_owned(),
            (Lang::Zh, "applied") => "申请".to_owned(),
            (_, other) => other.to_owned(),
        }
    }

    /// The header of a stage's rate.
    pub(crate) fn stage_rate(self, stage: &str) -> String {
        match self {
            Lang::En if stage == "click" => "Click rate".to_owned(),
            Lang::En => format!("{} rate", self.stage(stage)),
            Lang::Zh => format!("{}率", self.stage(stage)),
        }
    }

    /// How many offers could not be shown.
    pub(crate) fn not_eligible(self, count: usize) -> String {
        match self {
            Lang::En => format!("Not eligible ({count})"),
            Lang::Zh => format!("不符合条件（{count}）"),
        }
    }

    /// How many others were eligible.
    pub(crate) fn also_eligible(self, count: usize) -> String {
        match self {
            Lang::En => format!("Eligible, not chosen ({count})"),
            Lang::Zh => format!("符合条件但未选中（{count}）"),
        }
    }

    /// The factor by which a driver changes the odds.
    pub(crate) fn odds(self, factor: f64) -> String {
        let factor = format::decimal(factor, 2);
        match self {
            Lang::En => format!("odds × {factor}"),
            Lang::Zh => format!("几率 × {factor}"),
        }
    }

    /// A version number.
    pub(crate) fn version(self, what: &str, version: u64) -> String {
        format!("{what} {}", format::integer(version))
    }
}

/// The words.
pub(crate) struct Text {
    pub(crate) console: &'static str,
    pub(crate) skip: &'static str,
    pub(crate) language: &'static str,
    pub(crate) theme: &'static str,
    pub(crate) theme_system: &'static str,
    pub(crate) theme_light: &'static str,
    pub(crate) theme_dark: &'static str,
    pub(crate) connecting: &'static str,
    pub(crate) live: &'static str,
    pub(crate) retrying: &'static str,
    pub(crate) offline: &'static str,
    pub(crate) signed_out: &'static str,
    pub(crate) config: &'static str,
    pub(crate) not_published: &'static str,
    pub(crate) model_version: &'static str,
    pub(crate) no_model: &'static str,
    pub(crate) behind: &'static str,
    pub(crate) behind_note: &'static str,
    pub(crate) events: &'static str,
    pub(crate) published_at: &'static str,
    pub(crate) median: &'static str,
    pub(crate) p95: &'static str,
    pub(crate) model: &'static str,
    pub(crate) control: &'static str,
    pub(crate) explore: &'static str,
    pub(crate) curve: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) metric_value: &'static str,
    pub(crate) metric_clicks: &'static str,
    pub(crate) cumulative: &'static str,
    pub(crate) table: &'static str,
    pub(crate) table_hint: &'static str,
    pub(crate) axis_x: &'static str,
    pub(crate) axis_value: &'static str,
    pub(crate) axis_clicks: &'static str,
    pub(crate) chart_help: &'static str,
    pub(crate) curve_note_clicks: &'static str,
    pub(crate) curve_note_value: &'static str,
    pub(crate) curve_empty: &'static str,
    pub(crate) arm_head: &'static str,
    pub(crate) stretch: &'static str,
    pub(crate) impressions: &'static str,
    pub(crate) impressions_short: &'static str,
    pub(crate) clicks: &'static str,
    pub(crate) interval: &'static str,
    pub(crate) lift: &'static str,
    pub(crate) lift_better: &'static str,
    pub(crate) lift_worse: &'static str,
    pub(crate) lift_uncertain: &'static str,
    pub(crate) lift_early: &'static str,
    pub(crate) lift_no_arms: &'static str,
    pub(crate) lift_of_value: &'static str,
    pub(crate) lift_of_clicks: &'static str,
    pub(crate) lift_value: &'static str,
    pub(crate) per_visitor: &'static str,
    pub(crate) difference: &'static str,
    pub(crate) lift_method: &'static str,
    pub(crate) lift_method_head: &'static str,
    pub(crate) offers: &'static str,
    pub(crate) offer: &'static str,
    pub(crate) group: &'static str,
    pub(crate) share: &'static str,
    pub(crate) filter: &'static str,
    pub(crate) export: &'static str,
    pub(crate) offers_empty: &'static str,
    pub(crate) offers_none_match: &'static str,
    pub(crate) clear_filter: &'static str,
    pub(crate) sort_by: &'static str,
    pub(crate) few: &'static str,
    pub(crate) decisions: &'static str,
    pub(crate) decisions_note: &'static str,
    pub(crate) decisions_empty: &'static str,
    pub(crate) pause: &'static str,
    pub(crate) resume: &'static str,
    pub(crate) held: &'static str,
    pub(crate) customer: &'static str,
    pub(crate) anonymous: &'static str,
    pub(crate) nothing_chosen: &'static str,
    pub(crate) trace: &'static str,
    pub(crate) trace_pick: &'static str,
    pub(crate) trace_gone: &'static str,
    pub(crate) trace_gone_detail: &'static str,
    pub(crate) back: &'static str,
    pub(crate) close: &'static str,
    pub(crate) copy_link: &'static str,
    pub(crate) copied: &'static str,
    pub(crate) placement: &'static str,
    pub(crate) chosen: &'static str,
    pub(crate) score: &'static str,
    pub(crate) prediction: &'static str,
    pub(crate) prediction_legend: &'static str,
    pub(crate) mean: &'static str,
    pub(crate) sampled: &'static str,
    pub(crate) sampled_short: &'static str,
    pub(crate) kpis: &'static str,
    pub(crate) drivers: &'static str,
    pub(crate) no_drivers: &'static str,
    pub(crate) empty: &'static str,
    pub(crate) empty_detail: &'static str,
    pub(crate) signing_in: &'static str,
    pub(crate) out_none: &'static str,
    pub(crate) out_none_detail: &'static str,
    pub(crate) out_spent: &'static str,
    pub(crate) out_spent_detail: &'static str,
    pub(crate) out_failed: &'static str,
    pub(crate) out_how: &'static str,
    pub(crate) fail_offline: &'static str,
    pub(crate) fail_offline_detail: &'static str,
    pub(crate) fail_unreachable: &'static str,
    pub(crate) fail_unreachable_detail: &'static str,
    pub(crate) fail_unreadable: &'static str,
    pub(crate) fail_unreadable_detail: &'static str,
    pub(crate) retry: &'static str,
    pub(crate) reload: &'static str,
    pub(crate) screens: &'static str,
    pub(crate) screen_offers: &'static str,
    pub(crate) screen_customers: &'static str,
    pub(crate) screen_doctor: &'static str,
    pub(crate) doctor: &'static str,
    pub(crate) doctor_note: &'static str,
    pub(crate) doctor_url: &'static str,
    pub(crate) doctor_look: &'static str,
    pub(crate) doctor_looking: &'static str,
    pub(crate) doctor_good: &'static str,
    pub(crate) doctor_state_bad: &'static str,
    pub(crate) doctor_state_note: &'static str,
    pub(crate) doctor_state_good: &'static str,
    pub(crate) topics: &'static str,
    pub(crate) topics_note: &'static str,
    pub(crate) topics_empty: &'static str,
    pub(crate) tiers: &'static str,
    pub(crate) tiers_note: &'static str,
    pub(crate) tiers_empty: &'static str,
    pub(crate) pages: &'static str,
    pub(crate) pages_note: &'static str,
    pub(crate) pages_empty: &'static str,
    pub(crate) page: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) said_by: &'static str,
    pub(crate) by_page: &'static str,
    pub(crate) by_table: &'static str,
    pub(crate) by_words: &'static str,
    pub(crate) by_nobody: &'static str,
    pub(crate) views: &'static str,
    pub(crate) loading: &'static str,
}

impl Text {
    /// An arm's name.
    pub(crate) fn arm(&self, arm: Arm) -> &'static str {
        match arm {
            Arm::Model => self.model,
            Arm::Control => self.control,
            Arm::Explore => self.explore,
        }
    }
}

static EN: Text = Text {
    console: "Console",
    skip: "Skip to the figures",
    language: "Language",
    theme: "Theme",
    theme_system: "System",
    theme_light: "Light",
    theme_dark: "Dark",
    connecting: "Connecting",
    live: "Live",
    retrying: "Reconnecting",
    offline: "Offline",
    signed_out: "Signed out",
    config: "Configuration",
    not_published: "none published",
    model_version: "Model",
    no_model: "none yet",
    behind: "Model is behind by",
    behind_note: "From a durable event to the model that contains it: last batch, median and 95th percentile of the last batches.",
    events: "Events folded",
    published_at: "at",
    median: "median",
    p95: "p95",
    model: "Model",
    control: "Control",
    explore: "Explore",
    curve: "Learning curve",
    metric: "Measure",
    metric_value: "Value",
    metric_clicks: "Click rate",
    cumulative: "Cumulative",
    table: "Table",
    table_hint: "Show the figures as a table (t)",
    axis_x: "Impressions so far, all arms",
    axis_value: "Value per 1,000 impressions, in units of the weighed KPIs",
    axis_clicks: "Clicks per impression",
    chart_help: "Arrow keys move along the curve, t shows the table.",
    curve_note_clicks: "Shaded: 95 % Wilson interval. Thin arms are drawn with fewer, larger stretches of at least 200 impressions.",
    curve_note_value: "Shaded: 95 % interval by normal approximation, noise taken from differences between neighbouring stretches. Thin arms are drawn with fewer, larger stretches. The newest points can still rise as later stages come in.",
    curve_empty: "The curve begins with the first impressions.",
    arm_head: "Arm",
    stretch: "Impressions from–to",
    impressions: "Impressions",
    impressions_short: "Impr.",
    clicks: "Clicks",
    interval: "95 % interval",
    lift: "Lift against control",
    lift_better: "Better than control",
    lift_worse: "Worse than control",
    lift_uncertain: "Not yet certain",
    lift_early: "Too early to say",
    lift_no_arms: "The configuration gives no visitors to the model or none to the control group, so nothing is compared.",
    lift_of_value: "Value per visitor",
    lift_of_clicks: "Visitors who click",
    lift_value: "Value",
    per_visitor: "Per visitor",
    difference: "Difference",
    lift_method: "A visitor counts once in a period, with what they do in a set time after they came in; only visitors who saw an offer count. The interval is a 95 % confidence sequence (Howard et al. 2021): it holds for all figures together and however often you look, so you may stop when the finding is certain. Value counts up to that of the dearest offer, so that single visitors do not decide.",
    lift_method_head: "How this is calculated",
    offers: "Offers",
    offer: "Offer",
    group: "Group",
    share: "Share of impressions",
    filter: "Filter offers",
    export: "Export CSV",
    offers_empty: "No offer is configured yet.",
    offers_none_match: "No offer matches the filter.",
    clear_filter: "Clear the filter",
    sort_by: "Sort by",
    few: "Fewer than 30 impressions: the rate says little",
    decisions: "Last decisions",
    decisions_note: "A sample of the newest decisions",
    decisions_empty: "Decisions appear here as visitors come.",
    pause: "Pause",
    resume: "Resume",
    held: "Held while you read",
    customer: "Customer",
    anonymous: "Anonymous",
    nothing_chosen: "nothing shown",
    trace: "Decision",
    trace_pick: "Select a decision to see why it was made: every offer, what it was expected to bring, and why others were out.",
    trace_gone: "This decision is no longer in the sample",
    trace_gone_detail: "The live page keeps only the newest decisions. Select another one from the list.",
    back: "Back to the list",
    close: "Close",
    copy_link: "Copy link",
    copied: "Copied",
    placement: "Placement",
    chosen: "Chosen",
    score: "Score",
    prediction: "Predicted probability",
    prediction_legend: "Line: one standard deviation either side of the mean",
    mean: "mean",
    sampled: "sampled for this decision",
    sampled_short: "sampled",
    kpis: "Expected value by KPI, before weighing",
    drivers: "What spoke for and against a click",
    no_drivers: "No fact has moved the prediction yet.",
    empty: "No visitor has come yet",
    empty_detail: "Open the bank's page, or send simulated visitors with:",
    signing_in: "Signing in",
    out_none: "You are signed out",
    out_none_detail: "Sessions start from a one-time sign-in link. The demo prints one when it is ready:",
    out_spent: "This sign-in link is used or too old",
    out_spent_detail: "Each link opens one session, once. Restart the demo to get a new one:",
    out_failed: "Signing in did not work",
    out_how: "Open the link after console= in its last line.",
    fail_offline: "You are offline",
    fail_offline_detail: "The page goes on by itself when the network is back.",
    fail_unreachable: "The edge does not answer",
    fail_unreachable_detail: "Nothing is lost: events wait in the ledger. Check that the edge is running.",
    fail_unreadable: "The edge's answer could not be read",
    fail_unreadable_detail: "This page and the edge are probably of different versions. Reload the page.",
    retry: "Try now",
    reload: "Reload",
    screens: "Screens",
    screen_offers: "Offers",
    screen_customers: "Customers",
    screen_doctor: "Installation",
    doctor: "Is the widget installed as it should be?",
    doctor_note: "The edge fetches a page of one of the site's origins and reads its tag, its policy and its places. What only a browser can tell, portico('doctor') tells in the page.",
    doctor_url: "Address of the page",
    doctor_look: "Check",
    doctor_looking: "Looking at the page",
    doctor_good: "Everything is as it should be:",
    doctor_state_bad: "Keeps offers away",
    doctor_state_note: "Could be better",
    doctor_state_good: "As it should be",
    topics: "What people look at",
    topics_note: "Page views by topic, of people who are not known.",
    topics_empty: "No page has a topic yet. A page says it in its context, or the site's table of pages does.",
    tiers: "What customers are worth",
    tiers_note: "Customers by level, as of when each was last valued.",
    tiers_empty: "No customer stands on a level yet. Configure tiers, and store what your servers know of your customers.",
    pages: "Pages and their topics",
    pages_note: "The most viewed pages, what they are about, and who says so.",
    pages_empty: "No page has been seen yet.",
    page: "Page",
    topic: "Topic",
    said_by: "Said by",
    by_page: "the page",
    by_table: "the table",
    by_words: "its words,",
    by_nobody: "nobody yet",
    views: "Views",
    loading: "Loading",
};

static ZH: Text = Text {
    console: "控制台",
    skip: "跳到数据",
    language: "语言",
    theme: "主题",
    theme_system: "跟随系统",
    theme_light: "浅色",
    theme_dark: "深色",
    connecting: "正在连接",
    live: "实时",
    retrying: "正在重连",
    offline: "已断网",
    signed_out: "未登录",
    config: "配置版本",
    not_published: "尚未发布",
    model_version: "模型版本",
    no_model: "尚无",
    behind: "模型滞后",
    behind_note: "从事件落盘到包含它的模型发布所用的时间：最近一批，以及最近若干批的中位数和 95 分位数。",
    events: "已学习事件",
    published_at: "发布于",
    median: "中位",
    p95: "p95",
    model: "模型",
    control: "对照",
    explore: "探索",
    curve: "学习曲线",
    metric: "指标",
    metric_value: "价值",
    metric_clicks: "点击率",
    cumulative: "累计",
    table: "表格",
    table_hint: "以表格显示数据（t）",
    axis_x: "累计展示次数（所有组）",
    axis_value: "每千次展示的价值（按 KPI 加权）",
    axis_clicks: "每次展示的点击",
    chart_help: "用左右方向键沿曲线移动，按 t 显示表格。",
    curve_note_clicks: "阴影：95% Wilson 区间。流量较小的组合并为较大的区段，每段至少 200 次展示。",
    curve_note_value: "阴影：正态近似的 95% 区间，噪声由相邻区段之差估计。流量较小的组合并为较大的区段。最新的点可能随后续阶段的结果上升。",
    curve_empty: "有了展示之后，曲线就会出现。",
    arm_head: "组",
    stretch: "展示区段",
    impressions: "展示",
    impressions_short: "展示",
    clicks: "点击",
    interval: "95% 区间",
    lift: "相对对照组的提升",
    lift_better: "优于对照组",
    lift_worse: "劣于对照组",
    lift_uncertain: "尚不确定",
    lift_early: "为时尚早",
    lift_no_arms: "配置未给模型组或对照组分配访客，因此无从比较。",
    lift_of_value: "每位访客的价值",
    lift_of_clicks: "点击的访客占比",
    lift_value: "价值",
    per_visitor: "每位访客",
    difference: "差异",
    lift_method: "每位访客在一个周期内只计一次，取其进入后规定时间内的行为；只计看到优惠的访客。区间为 95% 置信序列（Howard 等，2021）：对所有数值同时成立，且无论查看多少次都成立，因此结论确定时即可停止。价值以最高价值优惠为上限，以免个别访客左右结果。",
    lift_method_head: "计算方法",
    offers: "优惠",
    offer: "优惠",
    group: "分组",
    share: "展示占比",
    filter: "筛选优惠",
    export: "导出 CSV",
    offers_empty: "尚未配置优惠。",
    offers_none_match: "没有符合筛选条件的优惠。",
    clear_filter: "清除筛选",
    sort_by: "排序：",
    few: "展示不足 30 次，比率意义不大",
    decisions: "最近的决策",
    decisions_note: "最新决策的抽样",
    decisions_empty: "访客到来后，决策会显示在这里。",
    pause: "暂停",
    resume: "继续",
    held: "阅读时已暂停",
    customer: "客户",
    anonymous: "匿名",
    nothing_chosen: "未展示",
    trace: "决策",
    trace_pick: "选择一条决策，查看其理由：每个优惠的预期收益，以及其他优惠为何落选。",
    trace_gone: "该决策已不在样本中",
    trace_gone_detail: "实时页面只保留最新的决策。请从列表中选择另一条。",
    back: "返回列表",
    close: "关闭",
    copy_link: "复制链接",
    copied: "已复制",
    placement: "展位",
    chosen: "已选中",
    score: "得分",
    prediction: "预测概率",
    prediction_legend: "横线：均值上下一个标准差",
    mean: "均值",
    sampled: "本次决策的采样值",
    sampled_short: "采样",
    kpis: "各 KPI 的预期价值（加权前）",
    drivers: "支持和反对点击的因素",
    no_drivers: "尚无因素影响预测。",
    empty: "还没有访客",
    empty_detail: "打开银行页面，或用以下命令模拟访客：",
    signing_in: "正在登录",
    out_none: "您尚未登录",
    out_none_detail: "请用一次性登录链接开始会话。演示启动后会打印一个：",
    out_spent: "此登录链接已用过或已过期",
    out_spent_detail: "每个链接只能登录一次。请重新启动演示以获得新链接：",
    out_failed: "登录未成功",
    out_how: "打开输出末行 console= 之后的链接。",
    fail_offline: "网络已断开",
    fail_offline_detail: "网络恢复后页面会自动继续。",
    fail_unreachable: "边缘节点没有应答",
    fail_unreachable_detail: "数据不会丢失：事件保留在账本中。请检查边缘节点是否在运行。",
    fail_unreadable: "无法读取边缘节点的应答",
    fail_unreadable_detail: "页面与边缘节点的版本可能不同。请重新加载页面。",
    retry: "立即重试",
    reload: "重新加载",
    screens: "页面",
    screen_offers: "优惠",
    screen_customers: "客户",
    screen_doctor: "安装检查",
    doctor: "组件安装正确吗？",
    doctor_note: "边缘节点读取站点来源下某个页面的标签、策略和优惠位。只有浏览器才能判断的内容，请在页面中运行 portico('doctor')。",
    doctor_url: "页面网址",
    doctor_look: "检查",
    doctor_looking: "正在检查页面",
    doctor_good: "一切正常：",
    doctor_state_bad: "优惠无法显示",
    doctor_state_note: "可以改进",
    doctor_state_good: "正常",
    topics: "访客关注的主题",
    topics_note: "按主题统计的页面浏览量（未识别的访客）。",
    topics_empty: "还没有带主题的页面。主题可由页面自身或站点的页面表给出。",
    tiers: "客户价值",
    tiers_note: "各层级的客户数，以每位客户最近一次评估为准。",
    tiers_empty: "还没有客户归入层级。请配置层级，并存入服务器所知的客户信息。",
    pages: "页面与主题",
    pages_note: "浏览最多的页面、其主题及依据。",
    pages_empty: "还没有浏览过的页面。",
    page: "页面",
    topic: "主题",
    said_by: "依据",
    by_page: "页面自身",
    by_table: "页面表",
    by_words: "文字，",
    by_nobody: "暂无",
    views: "浏览量",
    loading: "加载中",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_by_tag() {
        for lang in [Lang::En, Lang::Zh] {
            assert_eq!(Lang::from_tag(lang.tag()), lang);
        }
        assert_eq!(Lang::from_tag("zh-Hant-TW"), Lang::Zh);
        assert_eq!(Lang::from_tag("de"), Lang::En);
    }

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!(Lang::En.rows(1, 1), "1 offer");
        assert_eq!(Lang::En.rows(3, 12), "3 of 12 offers");
        assert_eq!(Lang::En.newer(1), "1 newer");
        assert_eq!(Lang::En.verdict(0, 1), "Offers can be seen; 1 thing could be better:");
        assert_eq!(Lang::En.verdict(2, 3), "2 things keep offers away, 3 could be better:");
    }
}
