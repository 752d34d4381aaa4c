// Skeletons of the ten digits: smooth curves through the points, kinked at corners.
#include "data/digits.h"

namespace dl {

namespace {

using P = StrokePoint;
constexpr bool corner = true;

constexpr P zero_oval[] = {{.58f, .03f}, {.30f, .10f}, {.12f, .45f}, {.18f, .82f}, {.45f, .98f},
                           {.74f, .86f}, {.87f, .48f}, {.78f, .14f}, {.52f, .02f}};
constexpr P zero_round[] = {{.50f, .05f}, {.18f, .20f}, {.05f, .55f}, {.22f, .90f}, {.55f, .96f},
                            {.88f, .78f}, {.95f, .42f}, {.75f, .12f}, {.42f, .06f}};
constexpr P zero_open[] = {{.72f, .10f}, {.48f, .02f}, {.22f, .20f}, {.14f, .58f}, {.30f, .93f},
                           {.58f, .97f}, {.80f, .74f}, {.84f, .36f}, {.66f, .10f}, {.44f, .08f}};

constexpr P one_bar[] = {{.52f, .02f}, {.50f, .50f}, {.48f, .98f}};
constexpr P one_curved[] = {{.56f, .02f}, {.52f, .35f}, {.50f, .70f}, {.47f, .98f}};
constexpr P one_flag[] = {{.30f, .24f}, {.42f, .14f}, {.56f, .02f, corner}, {.54f, .50f}, {.52f, .98f}};
constexpr P one_foot[] = {{.28f, .97f}, {.52f, .98f}, {.78f, .96f}};

constexpr P two_corner[] = {{.14f, .26f}, {.28f, .07f},         {.58f, .02f}, {.80f, .18f}, {.74f, .44f},
                            {.44f, .74f}, {.12f, .96f, corner}, {.50f, .94f}, {.90f, .95f}};
constexpr P two_loop[] = {{.18f, .20f}, {.40f, .03f}, {.70f, .08f}, {.78f, .32f}, {.58f, .62f}, {.30f, .90f},
                          {.12f, .94f}, {.13f, .80f}, {.32f, .76f}, {.58f, .90f}, {.92f, .90f}};
constexpr P two_swan[] = {{.22f, .16f},         {.48f, .02f}, {.74f, .12f}, {.76f, .38f}, {.54f, .68f},
                          {.22f, .93f, corner}, {.44f, .86f}, {.66f, .96f}, {.94f, .90f}};

constexpr P three_round[] = {{.16f, .16f}, {.40f, .02f}, {.70f, .08f}, {.74f, .30f}, {.40f, .46f, corner},
                             {.74f, .56f}, {.82f, .80f}, {.52f, .98f}, {.12f, .88f}};
constexpr P three_flat[] = {{.14f, .05f}, {.46f, .05f},         {.80f, .04f, corner},
                            {.60f, .22f}, {.40f, .42f, corner}, {.76f, .54f},
                            {.80f, .82f}, {.46f, .98f},         {.10f, .90f}};
constexpr P three_loop[] = {{.18f, .12f}, {.46f, .02f}, {.72f, .12f}, {.66f, .34f},
                            {.44f, .46f}, {.36f, .50f}, {.44f, .44f}, {.72f, .54f},
                            {.80f, .78f}, {.54f, .97f}, {.14f, .92f}};

constexpr P four_open_left[] = {{.24f, .04f}, {.18f, .30f}, {.12f, .56f, corner}, {.50f, .55f}, {.90f, .52f}};
constexpr P four_open_right[] = {{.72f, .06f}, {.66f, .50f}, {.62f, .98f}};
constexpr P four_closed[] = {{.64f, .02f}, {.36f, .34f}, {.08f, .66f, corner}, {.50f, .65f}, {.92f, .62f}};
constexpr P four_closed_bar[] = {{.64f, .02f, corner}, {.63f, .50f}, {.61f, .98f}};
constexpr P four_round_left[] = {{.20f, .06f}, {.14f, .30f}, {.22f, .48f}, {.48f, .50f}, {.76f, .40f}};
constexpr P four_round_right[] = {{.82f, .03f}, {.74f, .44f}, {.64f, .98f}};

constexpr P five_body[] = {{.24f, .06f}, {.20f, .24f}, {.17f, .44f, corner}, {.48f, .36f},
                           {.78f, .50f}, {.80f, .78f}, {.48f, .98f},         {.10f, .90f}};
constexpr P five_hat[] = {{.23f, .06f}, {.54f, .05f}, {.86f, .03f}};
constexpr P five_single[] = {{.84f, .04f},         {.56f, .04f}, {.30f, .06f, corner}, {.25f, .24f},
                             {.20f, .42f, corner}, {.50f, .37f}, {.80f, .56f},         {.72f, .88f},
                             {.42f, .98f},         {.10f, .88f}};
constexpr P five_soft[] = {{.80f, .05f}, {.52f, .06f}, {.34f, .14f}, {.26f, .36f}, {.42f, .42f},
                           {.70f, .52f}, {.76f, .76f}, {.52f, .96f}, {.16f, .92f}};

constexpr P six_curl[] = {{.72f, .03f}, {.40f, .20f}, {.18f, .55f}, {.22f, .86f}, {.50f, .98f},
                          {.78f, .84f}, {.74f, .62f}, {.48f, .54f}, {.22f, .72f}};
constexpr P six_straight[] = {{.46f, .02f}, {.28f, .36f}, {.17f, .68f}, {.30f, .95f}, {.60f, .96f},
                              {.76f, .76f}, {.58f, .58f}, {.32f, .64f}, {.20f, .78f}};
constexpr P six_open[] = {{.84f, .10f}, {.58f, .04f}, {.30f, .22f}, {.14f, .58f}, {.24f, .90f},
                          {.54f, .97f}, {.76f, .80f}, {.66f, .60f}, {.40f, .58f}};

constexpr P seven_plain[] = {{.10f, .08f}, {.46f, .07f}, {.86f, .05f, corner}, {.60f, .46f}, {.38f, .98f}};
constexpr P seven_serif[] = {{.10f, .22f},         {.11f, .13f}, {.13f, .06f, corner}, {.48f, .07f},
                             {.84f, .04f, corner}, {.64f, .40f}, {.46f, .98f}};
constexpr P seven_wave[] = {{.08f, .14f},         {.28f, .05f}, {.56f, .10f},
                            {.84f, .04f, corner}, {.56f, .42f}, {.44f, .98f}};
constexpr P seven_bar[] = {{.34f, .52f}, {.56f, .50f}, {.78f, .47f}};

constexpr P eight_figure[] = {{.76f, .14f}, {.48f, .02f}, {.22f, .16f}, {.34f, .38f},
                              {.64f, .56f}, {.80f, .80f}, {.50f, .98f}, {.19f, .82f},
                              {.34f, .58f}, {.66f, .38f}, {.78f, .16f}, {.60f, .04f}};
constexpr P eight_top[] = {{.50f, .48f}, {.24f, .34f}, {.26f, .10f}, {.50f, .02f},
                           {.76f, .12f}, {.76f, .34f}, {.48f, .48f}};
constexpr P eight_bottom[] = {{.50f, .48f}, {.20f, .62f}, {.18f, .86f}, {.50f, .98f},
                              {.82f, .86f}, {.80f, .60f}, {.50f, .48f}};
constexpr P eight_slanted[] = {{.82f, .06f}, {.50f, .04f}, {.28f, .20f}, {.44f, .44f},
                               {.66f, .66f}, {.62f, .90f}, {.36f, .96f}, {.22f, .80f},
                               {.42f, .54f}, {.66f, .32f}, {.86f, .08f}};

constexpr P nine_straight[] = {{.76f, .18f}, {.52f, .03f},         {.24f, .14f}, {.20f, .38f}, {.44f, .50f},
                               {.70f, .34f}, {.77f, .12f, corner}, {.74f, .54f}, {.70f, .98f}};
constexpr P nine_hook[] = {{.78f, .20f}, {.54f, .03f},         {.26f, .14f}, {.22f, .40f}, {.50f, .50f},
                           {.74f, .32f}, {.79f, .16f, corner}, {.78f, .54f}, {.64f, .90f}, {.26f, .95f}};
constexpr P nine_loop[] = {{.70f, .10f}, {.42f, .04f}, {.20f, .24f}, {.34f, .46f},
                           {.62f, .38f}, {.76f, .10f}, {.70f, .50f}, {.50f, .98f}};

constexpr Stroke zeros[][1] = {{{zero_oval}}, {{zero_round}}, {{zero_open}}};
constexpr Stroke one_a[] = {{one_bar}}, one_b[] = {{one_curved}}, one_c[] = {{one_flag}},
                 one_d[] = {{one_flag}, {one_foot}};
constexpr Stroke two_a[] = {{two_corner}}, two_b[] = {{two_loop}}, two_c[] = {{two_swan}};
constexpr Stroke three_a[] = {{three_round}}, three_b[] = {{three_flat}}, three_c[] = {{three_loop}};
constexpr Stroke four_a[] = {{four_open_left}, {four_open_right}},
                 four_b[] = {{four_closed}, {four_closed_bar}},
                 four_c[] = {{four_round_left}, {four_round_right}};
constexpr Stroke five_a[] = {{five_body}, {five_hat}}, five_b[] = {{five_single}}, five_c[] = {{five_soft}};
constexpr Stroke six_a[] = {{six_curl}}, six_b[] = {{six_straight}}, six_c[] = {{six_open}};
constexpr Stroke seven_a[] = {{seven_plain}}, seven_b[] = {{seven_serif}},
                 seven_c[] = {{seven_plain}, {seven_bar}}, seven_d[] = {{seven_wave}};
constexpr Stroke eight_a[] = {{eight_figure}}, eight_b[] = {{eight_top}, {eight_bottom}},
                 eight_c[] = {{eight_slanted}};
constexpr Stroke nine_a[] = {{nine_straight}}, nine_b[] = {{nine_hook}}, nine_c[] = {{nine_loop}};

constexpr Glyph zero[] = {{zeros[0], .5}, {zeros[1], .3}, {zeros[2], .2}};
constexpr Glyph one[] = {{one_a, .4}, {one_b, .25}, {one_c, .25}, {one_d, .1}};
constexpr Glyph two[] = {{two_a, .45}, {two_b, .3}, {two_c, .25}};
constexpr Glyph three[] = {{three_a, .55}, {three_b, .15}, {three_c, .3}};
constexpr Glyph four[] = {{four_a, .45}, {four_b, .25}, {four_c, .3}};
constexpr Glyph five[] = {{five_a, .4}, {five_b, .4}, {five_c, .2}};
constexpr Glyph six[] = {{six_a, .45}, {six_b, .35}, {six_c, .2}};
constexpr Glyph seven[] = {{seven_a, .5}, {seven_b, .15}, {seven_c, .2}, {seven_d, .15}};
constexpr Glyph eight[] = {{eight_a, .55}, {eight_b, .25}, {eight_c, .2}};
constexpr Glyph nine[] = {{nine_a, .45}, {nine_b, .25}, {nine_c, .3}};
constexpr std::span<const Glyph> all[] = {zero, one, two, three, four, five, six, seven, eight, nine};

}  // namespace

std::span<const Glyph> digit_glyphs(int digit) { return all[digit]; }

}  // namespace dl
